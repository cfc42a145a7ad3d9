"""What came of everything in the tables, in words that do not depend on ids, times, or who did it how often."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from uuid import UUID

from django_workflows.models import Event, Pool, Step, Worker, Workflow
from django_workflows.store.workflows import levels
from tests.app import steps
from tests.app.models import Counter as Row
from tests.app.models import Effect
from tests.engine.driver import become_another_process, reset_clock
from tests.engine.replays import assert_all_replay
from tests.races import flows
from tests.races.invariants import check

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def start_over() -> None:
    """Empty tables, and a process without memories."""
    for model in (Event, Step, Worker, Pool, Effect, Row):
        model.objects.all().delete()
    Workflow.objects.filter(parent__isnull=False).delete()
    Workflow.objects.all().delete()
    steps.calls.clear()
    steps.hooks.clear()
    flows.acted.clear()
    reset_clock()
    levels._known.clear()
    become_another_process()


def observed() -> dict[str, Any]:
    """All workflows with their journals, events and effects, once all that must hold was found to hold."""
    check()
    assert_all_replay()
    _check_actions()
    names = _names()
    return {
        names[each.id]: {
            "state": each.state,
            "result": each.result,
            "error": json.loads(each.error)["message"] if each.error else None,
            "callback": each.on_complete_error,
            "steps": [(step.number, step.kind, _shown(step), _state(step)) for step in each.steps.order_by("number")],
            "events": sorted((event.name, event.state, event.value or "") for event in each.events.all()),
        }
        for each in Workflow.objects.all()
    } | {"effects": _effects(names)}


def _names() -> dict[UUID, str]:
    """Workflows by what they are, and for whom."""
    names: dict[UUID, str] = {}
    for each in Workflow.objects.order_by("depth", "parent_step", "created_at", "id"):
        above = names.get(each.parent_id, "") + f"/{each.parent_step}/" if each.parent_id else ""
        name = f"{above}{each.name} {each.args}"
        count = sum(other.rstrip("#0123456789") == name.rstrip("#0123456789") for other in names.values())
        names[each.id] = f"{name}#{count}"
    return names


def _shown(step: Step) -> str:
    return _ID.sub("<id>", step.name)


def _state(step: Step) -> str:
    """An action without retry whose worker died has failed, since nobody knows whether it had an effect."""
    lost = step.state == "failed" and "AttemptLost" in (step.error or "")
    if lost:
        assert step.kind == "action"
        assert "retry" not in json.loads(step.options)
    return "completed" if lost else step.state


def _effects(names: dict[UUID, str]) -> list[tuple[str, int]]:
    """Effects of mutations and callbacks, with how many there are of each."""
    ids = {str(key): name for key, name in names.items()}
    found: Counter[str] = Counter()
    for effect in Effect.objects.all():
        words = (effect.value or effect.key).split()
        found[" ".join(ids.get(word, _ID.sub("<id>", word)) for word in words)] += 1
    return sorted(found.items())


def _check_actions() -> None:
    """At most once without retry; with retry, or once completed, at least once."""
    runs = Counter((each[0], each[1], each[2]) for each in flows.acted)
    for step in Step.objects.filter(kind="action", function__startswith="tests.races.flows.act"):
        if step.workflow.generation > 1:
            continue  # earlier generations had steps of the same number
        count = runs[str(step.workflow_id), 1, step.number]
        if "retry" not in json.loads(step.options):
            assert count <= 1, f"step {step.number} of {step.workflow_id} ran {count} times"
        if step.state == "completed":
            assert count >= 1, f"step {step.number} of {step.workflow_id} never ran"
