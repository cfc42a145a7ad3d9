"""Attempts as a step's row tells them: also the ones that went away without a word."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_workflows.core.attempts import LOST_TYPE, AttemptState, StepHistory, read_failure

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def row(**changes: Any) -> dict[str, Any]:
    return {
        "number": 0,
        "kind": "action",
        "name": "shop.steps.pay",
        "state": "completed",
        "attempt": 1,
        "failures": "[]",
        "error": None,
        "options": "{}",
        "progress": "",
        "queue": "",
        "claimed_by": "",
        "due_at": None,
        "created_at": at(0),
        "queued_at": at(0),
        "started_at": at(1),
        "finished_at": at(2),
        **changes,
    }


def failure(attempt: int, start: float | None, end: float | None, kind: str = "builtins.OSError") -> dict[str, Any]:
    return {
        "attempt": attempt,
        "queued_at": at((start or 0) - 0.5).isoformat(),
        "started_at": None if start is None else at(start).isoformat(),
        "finished_at": None if end is None else at(end).isoformat(),
        "type": kind,
        "message": f"failure {attempt}",
        "traceback": "Traceback ...",
    }


def states(history: StepHistory) -> list[str]:
    return [attempt.state for attempt in history.attempts]


def test_a_step_that_went_well_had_one_attempt() -> None:
    history = StepHistory.of(row())
    (attempt,) = history.attempts
    assert (attempt.number, attempt.state) == (1, AttemptState.COMPLETED)
    assert (attempt.queued_at, attempt.started_at, attempt.finished_at) == (at(0), at(1), at(2))
    assert history.failed_attempts == 0


def test_earlier_failures_come_before_the_attempt_that_went_well() -> None:
    failures = json.dumps([failure(1, 1, 2), failure(2, 3, 4)])
    history = StepHistory.of(row(attempt=3, failures=failures, queued_at=at(5), started_at=at(6), finished_at=at(7)))
    assert states(history) == ["failed", "failed", "completed"]
    assert [attempt.number for attempt in history.attempts] == [1, 2, 3]
    assert [attempt.started_at for attempt in history.attempts] == [at(1), at(3), at(6)]
    assert history.attempts[0].error is not None
    assert history.attempts[0].error.message == "failure 1"
    assert history.started_at == at(1)


def test_the_last_failure_of_a_failed_step_is_its_error() -> None:
    error = json.dumps({"type": "builtins.OSError", "message": "no more"})
    history = StepHistory.of(row(state="failed", attempt=2, failures=json.dumps([failure(1, 1, 2)]), error=error))
    assert states(history) == ["failed", "failed"]
    assert history.attempts[1].error == history.error == read_failure(error)


def test_a_step_in_back_off_has_an_attempt_that_is_still_to_come() -> None:
    waiting = row(
        state="queued",
        failures=json.dumps([failure(1, 1, 2)]),
        queued_at=at(9),
        due_at=at(9),
        started_at=None,
        finished_at=None,
        options='{"retry": {"max_attempts": 5}}',
    )
    history = StepHistory.of(waiting)
    assert states(history) == ["failed", "queued"]
    assert (history.attempts[1].number, history.attempts[1].queued_at) == (2, at(9))
    assert history.max_attempts == 5


def test_a_step_that_nobody_took_has_one_attempt_to_come() -> None:
    history = StepHistory.of(row(state="queued", attempt=0, started_at=None, finished_at=None))
    assert states(history) == ["queued"]
    assert history.started_at is None


def test_a_mutation_that_lost_its_worker_shows_the_lost_attempt() -> None:
    history = StepHistory.of(row(kind="mutation", attempt=3))
    assert states(history) == ["lost", "lost", "completed"]
    assert history.failed_attempts == 2


def test_the_claim_that_found_a_lost_action_is_no_attempt() -> None:
    error = json.dumps({"type": LOST_TYPE, "message": "attempt 1 was lost"})
    history = StepHistory.of(row(state="failed", attempt=2, error=error))
    assert states(history) == ["lost"]
    assert history.attempts[0].error is not None


def test_a_lost_attempt_that_was_recorded_is_told_from_a_failed_one() -> None:
    history = StepHistory.of(row(attempt=2, failures=json.dumps([failure(1, None, None, LOST_TYPE)])))
    assert states(history) == ["lost", "completed"]


@pytest.mark.parametrize(("started_at", "expected"), [(None, "canceled"), (at(1), "canceled")])
def test_a_canceled_step_has_a_canceled_attempt(started_at: datetime | None, expected: str) -> None:
    history = StepHistory.of(row(state="canceled", attempt=0 if started_at is None else 1, started_at=started_at))
    assert states(history) == [expected]


@pytest.mark.parametrize("kind", ["event", "sleep", "workflow", "create_event", "patch"])
def test_what_no_worker_runs_has_no_attempts(kind: str) -> None:
    history = StepHistory.of(row(kind=kind, attempt=0, state="waiting", finished_at=None))
    assert history.attempts == ()
    assert history.started_at == at(0)


def test_tracebacks_are_left_out_unless_they_are_wanted() -> None:
    failed = row(attempt=2, failures=json.dumps([failure(1, 1, 2)]))
    without, with_them = StepHistory.of(failed), StepHistory.of(failed, tracebacks=True)
    assert without.attempts[0].error is not None
    assert without.attempts[0].error.traceback == ""
    assert with_them.attempts[0].error is not None
    assert with_them.attempts[0].error.traceback == "Traceback ..."


def test_what_a_running_step_reported_is_read() -> None:
    history = StepHistory.of(row(state="running", finished_at=None, progress='[3, 10, "halfway"]'))
    assert history.progress == (3, 10, "halfway")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("failures", "no JSON"),
        ("failures", "{}"),
        ("failures", "[1, null, []]"),
        ("failures", '[{"queued_at": 5, "started_at": "yesterday", "finished_at": "2026-01-01", "message": null}]'),
        ("failures", "[" * 100_000),
        ("error", "[]"),
        ("error", "{"),
        ("error", '{"message": {"a": 1}}'),
        ("options", "null"),
        ("options", '{"retry": 5}'),
        ("options", '{"retry": {"max_attempts": "many"}}'),
        ("progress", "[1]"),
        ("progress", '["a", null, 5]'),
        ("progress", "{}"),
        ("state", "unheard of"),
        ("kind", "unheard of"),
    ],
)
def test_a_damaged_row_can_still_be_looked_at(column: str, value: str) -> None:
    history = StepHistory.of(row(**{column: value}))
    assert history.number == 0
    assert all(isinstance(attempt.queued_at, datetime) for attempt in history.attempts)
