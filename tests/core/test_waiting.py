"""What an unfinished workflow waits for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_workflows.core.attempts import Attempt, AttemptState, StepHistory
from django_workflows.core.blocked import Blocked, BlockedReason
from django_workflows.core.waiting import Wait, waits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)


def step(number: int = 0, kind: str = "action", state: str = "queued", due_at: datetime | None = NOW, **more: Any):
    return StepHistory(number, kind, more.pop("name", "pay"), state, EARLIER, due_at=due_at, **more)


def found(*steps: StepHistory, **workflow: Any) -> list[Wait]:
    standing = {"blocked": None, "started_at": EARLIER, "due_at": None, "queue": "", **workflow}
    return waits(steps, now=NOW, **standing)


def kinds(*steps: StepHistory, **workflow: Any) -> list[str]:
    return [wait.kind.value for wait in found(*steps, **workflow)]


FAILED_ONCE = (Attempt(1, AttemptState.FAILED, EARLIER, EARLIER, EARLIER), Attempt(2, AttemptState.QUEUED, LATER))


@pytest.mark.parametrize(
    ("open_step", "kind"),
    [
        (step(), "worker"),
        (step(due_at=None), "place"),
        (step(due_at=LATER), "schedule"),
        (step(due_at=LATER, attempts=FAILED_ONCE), "retry"),
        (step(state="running", due_at=LATER), "step"),
        (step(state="running", due_at=EARLIER), "silent"),
        (step(state="waiting", kind="event"), "event"),
        (step(state="waiting", kind="sleep", due_at=LATER), "timer"),
        (step(state="waiting", kind="workflow"), "child"),
    ],
)
def test_an_open_step_is_waited_for(open_step: StepHistory, kind: str) -> None:
    assert kinds(open_step) == [kind]


@pytest.mark.parametrize("state", ["completed", "failed", "canceled"])
def test_a_step_that_has_ended_is_not(state: str) -> None:
    assert kinds(step(state=state), step(1, state="running", due_at=LATER)) == ["step"]


def test_a_retry_says_which_attempt_comes_and_when() -> None:
    (wait,) = found(step(due_at=LATER, attempts=FAILED_ONCE, max_attempts=5))
    assert (wait.attempt, wait.max_attempts, wait.until) == (2, 5, LATER)


def test_a_workflow_that_begins_later_waits_for_that() -> None:
    (wait,) = found(started_at=None, due_at=LATER)
    assert (wait.kind, wait.until, wait.number) == ("start", LATER, None)


@pytest.mark.parametrize("workflow", [{"started_at": None, "due_at": NOW}, {"due_at": EARLIER}, {"due_at": None}])
def test_a_workflow_that_is_due_waits_for_a_worker(workflow: dict[str, Any]) -> None:
    assert kinds(**workflow) == ["worker"]


def test_a_timer_that_is_over_waits_for_a_worker_too() -> None:
    assert kinds(step(state="waiting", kind="sleep", due_at=EARLIER), due_at=EARLIER) == ["worker", "timer"]


def test_what_blocks_it_comes_first() -> None:
    blocked = Blocked(BlockedReason.CODE_MISMATCH, "the code changed", EARLIER, EARLIER)
    waiting = found(step(state="waiting", kind="event", due_at=None), blocked=blocked, due_at=LATER)
    assert [(wait.kind.value, wait.name) for wait in waiting] == [("blocked", "the code changed"), ("event", "pay")]
    assert waiting[0].blocked == blocked


def test_many_steps_that_wait_alike_are_told_as_one() -> None:
    steps = [step(number, due_at=NOW + timedelta(seconds=100 - number)) for number in range(50)]
    (wait,) = found(*steps)
    assert (wait.count, wait.number) == (50, 0)
    assert wait.until == NOW + timedelta(seconds=51)


def test_alike_steps_without_an_end_have_none_together() -> None:
    (wait,) = found(*(step(number, "event", "waiting", None) for number in range(2)))
    assert wait.until is None
