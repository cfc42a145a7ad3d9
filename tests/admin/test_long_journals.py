"""A journal of thousands of steps costs a page what it shows of it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from django_workflows.core.attempts import StepHistory
from django_workflows.engine.sketch import RETRIED, sketch
from django_workflows.models import Step, Workflow
from django_workflows.store import payloads
from tests.admin.pages import markup, page_of, text, url
from tests.app import workflows as w
from tests.engine.driver import finish

#: Its rows are written as no engine would.
pytestmark = pytest.mark.by_hand
COUNT = 2_000


def journal(**changes: Callable[[int], Any]) -> UUID:
    """A workflow of ``COUNT`` steps, each a hundredth of a second after the one before."""
    workflow_id = w.sums.start([1])
    finish(workflow_id)
    step = Step.objects.get(workflow_id=workflow_id)
    begun = step.created_at - timedelta(hours=1)
    rows = []
    for number in range(1, COUNT):
        at = begun + timedelta(seconds=number / 100)
        times = dict.fromkeys(("created_at", "queued_at", "started_at"), at)
        columns = {
            **{field.attname: getattr(step, field.attname) for field in Step._meta.fields if field.attname != "id"},
            **times,
            "number": number,
            "name": f"shop.steps.{('fetch', 'parse', 'check')[number % 3]}",
            "finished_at": at + timedelta(milliseconds=5),
            **{name: make(number) for name, make in changes.items()},
        }
        rows.append(Step(**columns))
    Step.objects.bulk_create(rows)
    Workflow.objects.filter(id=workflow_id).update(created_at=begun, finished_at=begun + timedelta(seconds=COUNT / 100))
    return workflow_id


FAILURE = {"type": "OSError", "message": "busy", "queued_at": "2026-01-01T00:00:00+00:00"}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the steps of which every attempt was read."""
    numbers: list[int] = []
    real = StepHistory.of

    def of(row: Any, **options: Any) -> StepHistory:
        numbers.append(row["number"])
        return real(row, **options)

    monkeypatch.setattr(StepHistory, "of", of)
    return numbers


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the steps whose arguments and results were read."""
    numbers: list[int] = []
    real = payloads.step_payloads

    def read(workflow_id: UUID, wanted: list[int], longest: int) -> Any:
        numbers.extend(wanted)
        return real(workflow_id, wanted, longest)

    monkeypatch.setattr("django_workflows.admin.page.shown.step_payloads", read)
    return numbers


def test_a_page_reads_arguments_and_attempts_of_its_own_steps_only(
    chief: Client, parsed: list[int], asked: list[int], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    workflow_id = journal()
    chief.get(page_of(workflow_id))
    parsed.clear()
    asked.clear()
    with django_assert_max_num_queries(22):
        shown = text(chief, page_of(workflow_id), p="31")
    assert "Page 31 of 40" in shown
    assert asked == list(range(1500, 1550))
    assert parsed == asked


def test_the_part_that_refreshes_itself_and_the_picture_are_as_frugal(chief: Client, parsed: list[int]) -> None:
    workflow_id = journal()
    parsed.clear()
    assert chief.get(url("live", workflow_id)).status_code == 200
    assert parsed == list(range(50))
    parsed.clear()
    assert b"1,800 more" in chief.get(url("timeline", workflow_id)).content
    assert parsed == []


def test_of_many_steps_that_were_tried_again_the_first_and_those_of_the_page_are_read(
    chief: Client, parsed: list[int]
) -> None:
    workflow_id = journal(attempt=lambda _: 2, failures=lambda _: json.dumps([FAILURE]))
    parsed.clear()
    shown = markup(chief, page_of(workflow_id), p="40")
    assert len(parsed) == RETRIED + 50
    assert shown.count("1 failed attempt") >= 50
    assert "busy" in shown
    assert sum(step.failed_attempts for step in sketch(workflow_id).steps) == COUNT - 1


def test_of_a_wide_group_a_few_failures_are_told(chief: Client, parsed: list[int]) -> None:
    broken = json.dumps({"type": "shop.Unpaid", "message": "no money"})
    fails = {"state": lambda number: "failed" if number > 1000 else "completed", "name": lambda _: "resize"}
    workflow_id = journal(**fails, error=lambda number: broken if number > 1000 else None)
    parsed.clear()
    shown = text(chief, page_of(workflow_id))
    assert "1,000 ok, 999 failed" in shown
    assert shown.count("no money") == 5
    assert len(parsed) <= 10


def test_many_open_steps_are_counted_and_not_each_told(chief: Client, parsed: list[int]) -> None:
    workflow_id = journal(
        state=lambda _: "running", name=lambda _: "resize", due_at=lambda _: None, finished_at=lambda _: None
    )
    Workflow.objects.filter(id=workflow_id).update(state="in_progress", finished_at=None)
    parsed.clear()
    assert "(1,999 steps, the first is 1), attempt 1, which is running" in text(chief, page_of(workflow_id))
    assert len(parsed) <= 10
