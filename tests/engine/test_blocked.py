"""What can be done about a blocked workflow: cancel it, restart it from a step, have it looked at; each works."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from django_workflows import (
    FAILED,
    KEEP,
    BlockedReason,
    Canceled,
    Completed,
    InProgress,
    InvalidArguments,
    RetryPolicy,
    WorkflowContext,
    WorkflowStillRunning,
)
from django_workflows.engine.advance import advance as take_a_turn
from django_workflows.models import Step, Workflow
from django_workflows.store import workflows
from tests.app import steps
from tests.app.workflows import asks_approval, workflow
from tests.engine.driver import advance, become_another_process, finish, run
from tests.engine.test_mismatches import deployed

#: What the clean-up notes.
CLEANED = "cleaned"


async def cleans_up(step: WorkflowContext) -> str:
    await step.run_action(steps.record, "one")
    await step.run_action(steps.record, "two")
    try:
        return str(await step.await_event("approval"))
    finally:
        await step.run_mutation(steps.record, CLEANED)


async def changed(step: WorkflowContext) -> str:
    await step.run_action(steps.record, "one")
    await step.run_action(steps.record, "TWO")
    return "changed"


@pytest.fixture
def waiting() -> Iterator[UUID]:
    """Started with code that waits, and cleans up."""
    with deployed(cleans_up) as definition:
        workflow_id = definition.start()
        run()
    yield workflow_id
    if Workflow.objects.filter(id=workflow_id, state="in_progress").exists():
        workflow.cancel(workflow_id, force=True)


def blocked(workflow_id: UUID) -> Any:
    workflow.retry_now(workflow_id)
    Workflow.objects.filter(id=workflow_id).update(due_at="2000-01-01T00:00:00Z")
    run()
    status = workflow.status(workflow_id)
    assert isinstance(status, InProgress)
    assert status.blocked is not None
    return status.blocked


def test_cancel_ends_one_whose_code_changed_and_says_that_it_did_not_clean_up(
    waiting: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    with deployed(changed):
        assert blocked(waiting).reason == BlockedReason.CODE_MISMATCH
        workflow.cancel(waiting)
    status = workflow.status(waiting)
    assert status == Canceled()
    assert "canceled without its clean-up" in status.note
    assert "step 1: the journal recorded" in status.note
    assert "canceled without its clean-up" in caplog.text
    assert (CLEANED,) not in steps.calls


def test_cancel_lets_one_clean_up_where_the_code_matches_again(waiting: UUID) -> None:
    with deployed(changed):
        blocked(waiting)
    with deployed(cleans_up):
        workflow.cancel(waiting)
        assert finish(waiting) == Canceled()
        assert workflow.status(waiting).note == ""
        assert (CLEANED,) in steps.calls


def test_cancel_ends_one_that_no_code_defines(waiting: UUID) -> None:
    with deployed(None):
        assert blocked(waiting).reason == BlockedReason.UNKNOWN_DEFINITION
        workflow.cancel(waiting)
        assert "clean-up" in workflow.status(waiting).note


def test_cancel_ends_one_in_a_crash_loop_without_running_its_code() -> None:
    workflow_id = asks_approval.start()
    run()
    Workflow.objects.filter(id=workflow_id).update(
        blocked_message="claimed in vain 5 times", blocked_reason="crash_loop", due_at=None
    )
    workflow.cancel(workflow_id)
    assert "crash_loop" in workflow.status(workflow_id).note


def test_one_that_is_to_be_canceled_before_it_is_found_to_be_blocked_ends_at_the_next_look(waiting: UUID) -> None:
    with deployed(changed):
        workflow.cancel(waiting)
        assert workflow.status(waiting).type == "in_progress"
        run()
        assert workflow.status(waiting).blocked.reason == BlockedReason.CODE_MISMATCH
        advance(61)
        run()
        assert "clean-up" in workflow.status(waiting).note


def test_children_of_a_blocked_workflow_are_canceled_with_it() -> None:
    async def has_a_child(step: WorkflowContext) -> str:
        await step.run_action(steps.record, "one")
        return await step.run_workflow(asks_approval)

    async def has_none(step: WorkflowContext) -> str:
        return await step.run_action(steps.echo, "other")

    with deployed(has_a_child) as definition:
        workflow_id = definition.start()
        run()
    child = Workflow.objects.get(parent=workflow_id).id
    with deployed(has_none):
        blocked(workflow_id)
        workflow.cancel(workflow_id)
        assert {workflow.status(each).type for each in (workflow_id, child)} == {"canceled"}


@pytest.mark.parametrize("from_step", [1, "tests.app.steps.record", steps.record])
def test_a_restart_from_a_step_has_the_new_code_run(waiting: UUID, from_step: Any) -> None:
    with deployed(changed):
        blocked(waiting)
        steps.calls.clear()
        workflow.restart(waiting, from_step)
        assert workflow.status(waiting).blocked is None
        assert finish(waiting) == Completed("changed")
        assert steps.calls == [("TWO",)]
    assert list(Step.objects.values_list("number", "state")) == [(0, "completed"), (1, "completed")]


@pytest.mark.parametrize("whole", [FAILED, KEEP, None])
def test_a_restart_of_all_is_refused_while_it_is_blocked(waiting: UUID, whole: Any) -> None:
    with deployed(changed):
        blocked(waiting)
        with pytest.raises(WorkflowStillRunning, match="is blocked, so it can be restarted from a step only"):
            workflow.restart(waiting, whole)
        assert workflow.status(waiting).blocked is not None


def test_a_look_that_does_not_help_says_when_that_was(waiting: UUID) -> None:
    with deployed(changed):
        first = blocked(waiting)
        advance(5)
        workflow.retry_now(waiting)
        run()
        again = workflow.status(waiting).blocked
        assert again.since == first.since
        assert again.checked_at > first.checked_at


def test_a_state_or_reason_that_there_is_not() -> None:
    for wrong in ({"state": "parked"}, {"reason": "odd"}, {"state": "failed", "reason": "stuck"}):
        with pytest.raises(InvalidArguments):
            workflow.list(**wrong)
    assert not workflow.list(state="blocked", reason="stuck").exists()


def test_since_when_begins_anew_with_another_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    workflow_id = asks_approval.start()
    run()
    with deployed(None, asks_approval.name):
        first = blocked(workflow_id)
    advance(5)
    Workflow.objects.filter(id=workflow_id).update(deliveries=99, due_at="2000-01-01T00:00:00Z")
    claimed = workflows.claim_turn("", "worker")
    assert claimed is not None
    take_a_turn(claimed, None)
    second = workflow.status(workflow_id).blocked
    assert (first.reason, second.reason) == (BlockedReason.UNKNOWN_DEFINITION, BlockedReason.CRASH_LOOP)
    assert second.since > first.since
    become_another_process()
    workflow.retry_now(workflow_id)
    run()
    assert workflow.status(workflow_id) == InProgress(["approval"])
    assert workflow.status(workflow_id).blocked is None


# -- what is advised for each reason, done literally


async def computes(step: WorkflowContext) -> str:
    """Half a second of CPU time without waiting."""
    until = time.process_time() + 0.5  # deterministic: only its duration matters
    while time.process_time() < until:  # deterministic: see above
        pass
    return await step.run_action(steps.echo, "computed")


async def computes_in_a_step(step: WorkflowContext) -> str:
    return await step.run_action(steps.echo, "in a step")


@pytest.mark.parametrize("way", ["code that waits", "a higher limit"])
def test_one_that_is_stuck_resumes_by_itself(way: str, settings: Any) -> None:
    settings.DJANGO_WORKFLOWS = {**settings.DJANGO_WORKFLOWS, "TURN_TIMEOUT": 0.1}
    with deployed(computes) as definition:
        workflow_id = definition.start()
        run()
        status = workflow.status(workflow_id)
        assert isinstance(status, InProgress)
        assert status.blocked is not None
        assert status.blocked.reason == BlockedReason.STUCK
        if way == "a higher limit":
            settings.DJANGO_WORKFLOWS = {**settings.DJANGO_WORKFLOWS, "TURN_TIMEOUT": 60}
            assert finish(workflow_id) == Completed("computed")
    if way == "code that waits":
        with deployed(computes_in_a_step):
            assert finish(workflow_id) == Completed("in a step")


async def patched(step: WorkflowContext) -> str:
    await step.run_action(steps.record, "one")
    await step.run_action(steps.record, "TWO" if step.patched("loud") else "two")
    return str(await step.await_event("approval"))


def test_one_whose_code_changed_resumes_with_code_that_asks_for_a_patch(waiting: UUID) -> None:
    with deployed(changed):
        assert blocked(waiting).reason == BlockedReason.CODE_MISMATCH
    with deployed(patched):
        workflow.send_event(waiting, "approval", "yes")
        assert finish(waiting) == Completed("yes")


@pytest.mark.parametrize("way", ["restore the row", "restart from a step before it"])
def test_one_with_a_corrupt_row_goes_on(way: str) -> None:
    with deployed(retries) as definition:
        workflow_id = definition.start()
        run()
        row = Step.objects.filter(workflow_id=workflow_id, number=1)
        kept = row.values_list("options", flat=True).get()
        row.update(options="[")
        advance(61)
        run()
        status = workflow.status(workflow_id)
        assert isinstance(status, InProgress)
        assert status.blocked is not None
        assert status.blocked.reason == BlockedReason.CORRUPT_ROW
        if way == "restore the row":
            row.update(options=kept)
        else:
            workflow.restart(workflow_id, from_step=0)
        status = finish(workflow_id)
        assert isinstance(status, Completed)


async def retries(step: WorkflowContext) -> Any:
    await step.run_action(steps.record, "one")
    policy = RetryPolicy(max_attempts=3, initial_backoff=60, jitter=0)
    return await step.with_options(retry=policy).run_action(steps.fail_until, "once", 2)
