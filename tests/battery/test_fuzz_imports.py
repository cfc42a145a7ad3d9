"""Histories that somebody has changed, by hand or by accident: each is refused, or shown and replayed as others are."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from django_workflows import InvalidPayload, WorkflowError
from django_workflows.core.histories import History
from django_workflows.core.history_documents import whole_history
from django_workflows.core.registry import registry
from django_workflows.engine.histories import mismatch, read_history
from django_workflows.engine.imports import import_history
from django_workflows.models import Step, Workflow
from tests.app import steps
from tests.app.models import Effect
from tests.battery.observation import start_over
from tests.battery.test_fuzz import ANY_TEXT, SMALL, fuzzing, values
from tests.engine.driver import run
from tests.histories.test_histories import FILES
from tests.races.flows import workflow

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in FILES}
DOCUMENTS = {name: json.loads(text) for name, text in TEXTS.items()}
#: What stands in other places of a history, so that it is the right type in the wrong place.
WORDS = [
    "completed", "failed", "canceled", "in_progress", "queued", "running", "waiting", "action", "mutation", "query",
    "sleep", "event", "workflow", "patch", "2026-11-25T02:00:00+00:00", "0001-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59+00:00", "tests.app.trap.snap", 0, 1, 2, 10**6, 2**31 - 1, 2**31, 10**40, -1, 1.5,
]  # fmt: skip
new_values = st.sampled_from([*WORDS, *SMALL]) | values
Place = list[Any]


def places(part: Any, above: Place | None = None) -> Iterator[Place]:
    """The way to every value in a document."""
    here = above or []
    inside = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in inside:
        yield [*here, key]
        yield from places(value, [*here, key])


def change(document: Any, place: Place, how: str, value: Any) -> None:
    holder = document
    for key in place[:-1]:
        holder = holder[key]
    key = place[-1]
    if how == "delete":
        del holder[key]
    elif how == "twice":
        holder.insert(key, copy.deepcopy(holder[key])) if isinstance(holder, list) else holder.update(
            {f"{key}2": holder[key]}
        )
    elif how == "swap" and isinstance(holder, list) and len(holder) > 1:
        holder[key], holder[key - 1] = holder[key - 1], holder[key]
    elif how == "add" and isinstance(holder[key], dict):
        holder[key]["more"] = value
    else:
        holder[key] = value


@st.composite
def changed(draw: st.DrawFn) -> str:
    """A golden journal with up to three changes."""
    document = copy.deepcopy(DOCUMENTS[draw(st.sampled_from(sorted(DOCUMENTS)))])
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        if found:
            how = draw(st.sampled_from(["set", "set", "set", "delete", "twice", "swap", "add"]))
            change(document, draw(st.sampled_from(found)), how, draw(new_values))
    return json.dumps(document)


@st.composite
def reworded(draw: st.DrawFn) -> str:
    """One whose fields have other values of their types, so that most are whole histories."""
    document = copy.deepcopy(DOCUMENTS[draw(st.sampled_from(sorted(DOCUMENTS)))])
    for _ in range(draw(st.integers(1, 4))):
        free = [place for place in places(document) if place[-1] in ("args", "result", "name", "function", "message")]
        place = draw(st.sampled_from(free))
        holder = document
        for key in place[:-1]:
            holder = holder[key]
        new = st.text(ANY_TEXT, min_size=1) if place[-1] not in ("args", "result") else values
        holder[place[-1]] = draw(st.dictionaries(st.text(), values, max_size=3) if place == ["args"] else new)
    return json.dumps(document)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """The text of one, cut, or with other characters in it."""
    text = TEXTS[draw(st.sampled_from(sorted(TEXTS)))]
    begin = draw(st.integers(0, len(text)))
    end = draw(st.integers(begin, min(len(text), begin + 40)))
    return (
        text[:begin]
        + draw(st.text(max_size=20) | st.sampled_from(["[" * 5000, "9" * 5000, "NaN", '"a":']))
        + text[end:]
    )


@pytest.fixture
def chief() -> Client:
    client = Client(raise_request_exception=True)
    client.force_login(get_user_model().objects.create_superuser("chief"))
    return client


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()
    yield counts
    record_property("figures", f"changed histories: {counts.total()}, {dict(sorted(counts.items()))}")


def taken_in(text: str) -> History | None:
    try:
        history = whole_history(text)
        import_history(history)
    except WorkflowError as error:
        assert str(error), "says what is wrong"
        assert not Workflow.objects.exists()
        assert not Step.objects.exists()
        return None
    return history


def looked_at(workflow_id: UUID, chief: Client) -> None:
    """By code, in the admin, over the API, at the terminal: no error, whatever is in it."""
    with suppress(InvalidPayload):  # a result of another type than the code says
        assert workflow.status(workflow_id).type in ("completed", "failed", "canceled")
    list(workflow.steps(workflow_id).values())
    for path in (
        f"/admin/django_workflows/workflow/{workflow_id}/change/",
        "/admin/django_workflows/workflow/",
        f"/api/workflows/{workflow_id}/",
        f"/api/workflows/{workflow_id}/steps/",
        f"/api/workflows/{workflow_id}/timeline.svg",
        "/api/workflows/",
    ):
        answer = chief.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.content[:500]!r}"
    call_command("workflows", "show", str(workflow_id))


def never_run(workflow_id: UUID) -> None:
    assert run() == 0
    for verb in (workflow.cancel, workflow.retry_now, workflow.restart):
        with pytest.raises(WorkflowError):
            verb(workflow_id)
    assert run() == 0
    assert (steps.calls, Effect.objects.count()) == ([], 0)


@fuzzing
@example("1" * 5000)
@example("[" * 100_000)
@given(changed() | reworded() | reworded() | damaged())
def test_a_changed_history_is_refused_or_shown_and_replayed(chief: Client, tally: Counter[str], text: str) -> None:
    start_over()
    history = taken_in(text)
    if history is None:
        tally["refused"] += 1
        return
    found = read_history(history.workflow_id)
    assert found == history, "it comes back as it was"
    assert whole_history(found.dump()) == history
    definition = registry.get(history.name)
    fits = definition is not None and mismatch(definition, found) is None
    tally["taken, and it fits its code" if fits else "taken, and it does not fit its code"] += 1
    looked_at(history.workflow_id, chief)
    never_run(history.workflow_id)
    assert workflow.cleanup(history.workflow_id) is True


@fuzzing
@given(st.binary(max_size=200) | damaged().map(lambda text: text.encode("utf-16")) | changed().map(str.encode))
def test_a_file_of_any_bytes_is_refused_with_a_sentence(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(raw)
    try:
        call_command("workflows", "history", f"--import={path}")
    except CommandError as error:
        assert str(error)
        assert not Workflow.objects.exists()
    start_over()
