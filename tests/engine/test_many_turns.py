"""Turns that are written together leave the same rows, whichever statements the database has for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import override_settings

from django_workflows.core.entries import NewStep, StepEnd, TurnRecord, WorkflowEnd
from django_workflows.core.journal import Failure
from django_workflows.models import Step, Workflow
from django_workflows.store import database, prepared
from django_workflows.store.many_turns import write_turns
from django_workflows.store.many_turns_sql import shape_of

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=7, microseconds=1)
IDS = [UUID(int=number) for number in (3, 1, 2)]


@pytest.fixture(autouse=True)
def at_one_instant(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(database, "frozen_at", NOW)
    yield
    Workflow.objects.all().delete()


def set_up() -> None:
    """Three workflows, each with a step that runs, one that waits and one that has ended and is yet to be heard of."""
    Workflow.objects.all().delete()
    long_ago = NOW - timedelta(days=1)
    for number, each in enumerate(IDS):
        Workflow.objects.create(
            id=each, name="any", args="[]", created_at=long_ago, due_at=NOW, version=5, delivered=2, deliveries=1,
            claimed_by="me", blocked_message="odd", journal_bytes=10, reopened=True,
            retain_for=None if number else timedelta(hours=1),
        )  # fmt: skip
        times = {"created_at": long_ago, "queued_at": long_ago}
        step = {"workflow_id": each, "name": "n", "args": "[]", **times}
        Step.objects.create(number=0, kind="action", state="running", attempt=3, due_at=NOW, claimed_by="me", **step)
        Step.objects.create(number=1, kind="sleep", state="waiting", due_at=NOW, **step)
        Step.objects.create(number=2, kind="action", state="completed", result="7", attempt=1, **step)


def turn(each: UUID, **changes: Any) -> TurnRecord:
    record = TurnRecord(each, 1, NOW - timedelta(seconds=2), expected_version=5, expected_delivered=2, delivered=3)
    return replace(record, grown_bytes=4, **changes)


def running(number: int = 3) -> NewStep:
    return NewStep(
        number, "action", "next", '["ü"]', "running", function="a.b", options='{"timeout": 1}', lease=30.0,
        claimed_by="me", queue="q", priority=2,
    )  # fmt: skip


ASKED = [
    NewStep(3, "action", "queued", "[]", "queued", function="a.b", queue="q"),
    NewStep(4, "action", "delayed", "[]", "queued", function="a.b", delay=12.5),
    NewStep(5, "query", "at", "[]", "queued", function="a.b", run_at=LATER, priority=-1),
    NewStep(6, "sleep", "nap", "[]", "waiting", delay=3.25),
    NewStep(7, "sleep", "until", "[]", "waiting", run_at=LATER),
    NewStep(8, "patch", "patch", "[]", "completed", result="true", delivery=4),
    NewStep(9, "mutation", "inline", "[]", "completed", result="1", delivery=5),
    NewStep(10, "query", "bad", "[]", "failed", error=Failure("E", "no"), delivery=6, reached=9),
    NewStep(11, "action", "dropped", "[]", "canceled", function="a.b"),
]
INLINE = [
    NewStep(3, "mutation", "one", "[1]", "completed", function="a.b", result="1", delivery=4),
    NewStep(4, "query", "two", "[2]", "completed", function="a.c", result='"x"', delivery=5, queue="q", priority=3),
]
END = StepEnd(0, "completed", "[1]", attempt=3, delivery=3)
WAIT_OVER = StepEnd(1, "completed", delivery=3)
TIMED_OUT = StepEnd(1, "failed", error=Failure("Timeout", "late"), delivery=3, reached=2)

TURNS: dict[str, dict[str, Any]] = {
    "first": {"first": True, "new_steps": [running()]},
    "first, asks": {"first": True, "new_steps": ASKED},
    "first, nothing": {"first": True},
    "goes on": {"step_ends": [END], "new_steps": [running()]},
    "goes on, a wait open": {"step_ends": [END], "new_steps": [running()], "next_due": LATER},
    "asks": {"step_ends": [END], "new_steps": ASKED},
    "sleeps": {"step_ends": [END], "new_steps": [ASKED[3]]},
    "sleeps, a wait open": {"step_ends": [END], "new_steps": [ASKED[3]], "next_due": NOW + timedelta(seconds=3)},
    "completed": {"step_ends": [END], "ending": WorkflowEnd("completed", '"done"')},
    "failed": {"step_ends": [END], "ending": WorkflowEnd("failed", error=Failure("E", "no"))},
    "a wait is over": {"step_ends": [WAIT_OVER], "exact": True, "new_steps": [running()]},
    "a wait is over, asks": {"step_ends": [TIMED_OUT], "exact": True, "new_steps": ASKED},
    "a wait is over, ends": {"step_ends": [WAIT_OVER], "exact": True, "ending": WorkflowEnd("completed", "null")},
    "heard of": {"deliveries": [(2, 3, 3)], "exact": True, "next_due": LATER},
    "heard of, waits on": {"deliveries": [(2, 3, 3)]},
    "inline": {"step_ends": [END], "new_steps": INLINE},
    "inline, ends": {"step_ends": [END], "new_steps": INLINE, "ending": WorkflowEnd("completed", "null")},
    "inline at first": {"first": True, "new_steps": INLINE},
    "all at once": {"step_ends": [END, WAIT_OVER], "deliveries": [(2, 5, None)], "new_steps": ASKED},
}
WAYS = ("its own", "its own, watched", "every database's")


def watched() -> AbstractContextManager[None]:
    return connection.execute_wrapper(lambda execute, *args: execute(*args))


def written(
    monkeypatch: pytest.MonkeyPatch, way: str, changes: dict[str, Any], meanwhile: Callable[[], object] = lambda: None
) -> tuple[Any, ...]:
    """What ``write_turns`` returns for the three workflows, and all rows after it."""
    set_up()
    records = [turn(each, **changes) for each in IDS]
    if records[0].ending is not None:  # it has nothing open then
        left = Step.objects.exclude(number__in=[end.number for end in records[0].step_ends])
        left.filter(state__in=["running", "waiting"]).delete()
    meanwhile()
    shape = shape_of(records[0])
    assert shape is not None
    monkeypatch.setattr(prepared, "one_statement", way != WAYS[2])
    with watched() if way == WAYS[1] else nullcontext():
        found = write_turns(shape, records)
    steps = Step.objects.order_by("workflow_id", "number").values()
    rows = [{name: value for name, value in row.items() if name != "id"} for row in steps]
    return found, list(Workflow.objects.order_by("id").values()), rows


@pytest.mark.parametrize("retention", [None, timedelta(days=2, microseconds=3)], ids=["kept", "expires"])
@pytest.mark.parametrize("kind", TURNS)
def test_every_way_writes_the_same(monkeypatch: pytest.MonkeyPatch, kind: str, retention: timedelta | None) -> None:
    with override_settings(DJANGO_WORKFLOWS={"RETENTION": retention}):
        found = [written(monkeypatch, way, TURNS[kind]) for way in WAYS]
    assert found[0][0] == dict.fromkeys(IDS, (NOW, 6)), "all were written"
    assert found[0] == found[1] == found[2]
    for row in found[0][1]:
        assert (row["version"], row["delivered"], row["deliveries"], row["claimed_by"]) == (6, 3, 0, "")
        assert row["journal_bytes"] == 14


@pytest.mark.parametrize("due_at", [None, NOW + timedelta(seconds=1), NOW + timedelta(hours=1)])
@pytest.mark.parametrize("kind", ["goes on", "sleeps", "heard of, waits on", "goes on, a wait open"])
def test_a_wake_up_that_somebody_else_has_set_meanwhile_is_kept(
    monkeypatch: pytest.MonkeyPatch, kind: str, due_at: datetime | None
) -> None:
    def others() -> None:
        Workflow.objects.filter(id=IDS[1]).update(version=8, due_at=due_at)

    found = [written(monkeypatch, way, TURNS[kind], others) for way in WAYS]
    assert found[0] == found[1] == found[2]
    (row,) = (row for row in found[0][1] if row["id"] == IDS[1])
    assert found[0][0][IDS[1]] == (NOW, 9)
    assert row["version"] == 9
    mine = {"sleeps": NOW + timedelta(seconds=3.25), "goes on, a wait open": LATER}.get(kind)
    assert row["due_at"] == min((each for each in (mine, due_at) if each), default=None)


VOID: dict[str, dict[str, Any]] = {
    "restarted": {"generation": 2},
    "another turn": {"delivered": 3},
    "ended": {"state": "completed"},
    "to be canceled": {"cancel_requested_at": NOW},
}


@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("void", VOID)
@pytest.mark.parametrize("kind", ["goes on", "asks", "completed", "heard of, waits on", "a wait is over"])
def test_a_turn_that_is_void_changes_nothing_and_the_others_are_written(
    monkeypatch: pytest.MonkeyPatch, kind: str, void: str, way: str
) -> None:
    def others() -> None:
        Workflow.objects.filter(id=IDS[0]).update(**VOID[void])

    found, workflows, steps = written(monkeypatch, way, TURNS[kind], others)
    assert found == dict.fromkeys(IDS[1:], (NOW, 6))
    assert [row["version"] for row in workflows] == [6, 6, 5]
    untouched = {0: "running", 1: "waiting", 2: "completed"}
    for row in steps:
        if row["workflow_id"] == IDS[0]:
            assert (row["state"], row["delivery"]) == (untouched[row["number"]], None)


@pytest.mark.parametrize("way", WAYS[:2])
def test_a_turn_for_which_a_journal_was_read_is_void_once_anything_was_written_since(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def others() -> None:
        Workflow.objects.filter(id=IDS[2]).update(version=6)

    found, workflows, _ = written(monkeypatch, way, TURNS["a wait is over"], others)
    assert found == dict.fromkeys(IDS[:2], (NOW, 6))
    assert [row["delivered"] for row in workflows] == [3, 2, 3]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("taken_over", [{"attempt": 4}, {"state": "queued"}, {"state": "canceled"}])
@pytest.mark.parametrize("kind", ["goes on", "asks", "completed"])
def test_nothing_is_written_once_an_attempt_is_no_longer_this_workers(
    monkeypatch: pytest.MonkeyPatch, kind: str, taken_over: dict[str, Any], way: str
) -> None:
    def others() -> None:
        Step.objects.filter(workflow_id=IDS[1], number=0).update(**taken_over)

    found, workflows, steps = written(monkeypatch, way, TURNS[kind], others)
    assert found is None
    assert {(row["version"], row["delivered"], row["state"]) for row in workflows} == {(5, 2, "in_progress")}
    assert all(row["number"] <= 2 and row["delivery"] is None for row in steps)
    assert {row["result"] for row in steps} == {None, "7"}


@pytest.mark.parametrize("way", WAYS[:2])
def test_a_wait_that_somebody_else_has_ended_is_left_to_be_as_it_is(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    def others() -> None:
        Step.objects.filter(workflow_id=IDS[1], number=1).update(state="canceled", finished_at=LATER)

    changes = TURNS["a wait is over"] | {"exact": False}
    _, _, steps = written(monkeypatch, way, changes, others)
    waits = {row["workflow_id"]: (row["state"], row["finished_at"]) for row in steps if row["number"] == 1}
    assert waits == {IDS[0]: ("completed", NOW), IDS[1]: ("canceled", LATER), IDS[2]: ("completed", NOW)}
