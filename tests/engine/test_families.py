"""Parents with many children, deep families, and families of which a part goes on after the rest has ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import override_settings

from django_workflows import (
    BlockedReason,
    Canceled,
    ChildWorkflowFailed,
    Completed,
    WorkflowContext,
    WorkflowNotRunning,
)
from django_workflows.engine.advance import take_turn
from django_workflows.engine.cleanup import cleanup_expired
from django_workflows.engine.live import live_handlers
from django_workflows.models import Step, Workflow
from django_workflows.store import workflows as workflow_store
from django_workflows.store.blocked import block
from tests.app import steps
from tests.app.models import Effect
from tests.app.workflows import workflow
from tests.engine.driver import advance, claim, finish, run


@workflow.define(name="tests nested")
async def nested(step: WorkflowContext, left: int) -> str:
    if not left:
        return "bottom"
    try:
        return await step.run_workflow(nested, left - 1)
    except ChildWorkflowFailed as error:
        if error.error_type.endswith("NestedTooDeep"):
            return error.message
        raise


@pytest.mark.parametrize("replaying", [False, True])
def test_children_may_have_children_down_to_a_limit(replaying: bool) -> None:
    with override_settings(DJANGO_WORKFLOWS={"MAX_CHILD_DEPTH": 4}):
        assert finish(nested.start(4), replaying=replaying) == Completed("bottom")
        status = finish(nested.start(5), replaying=replaying)
    assert isinstance(status, Completed)
    assert "would be 5 workflows below the top" in status.result
    assert "MAX_CHILD_DEPTH is 4" in status.result
    assert set(Workflow.objects.values_list("depth", flat=True)) == {0, 1, 2, 3, 4}


# -- cleanup


@workflow.define(name="tests slow child")
async def slow_child(step: WorkflowContext) -> None:
    try:
        await step.await_event("go")
    except asyncio.CancelledError:
        await step.await_event("really")


@workflow.define(name="tests leaves a child")
async def leaves_a_child(step: WorkflowContext, leave: bool) -> str:
    if leave:
        child = step.run_workflow(slow_child)
        await step.sleep(5)
        child.cancel()
    return "done"


def test_families_of_which_a_child_still_runs_do_not_hold_up_the_cleanup_of_others() -> None:
    retained = leaves_a_child.with_options(retain_for=10)
    stuck = [retained.start(True) for _ in range(3)]
    assert [finish(each) for each in stuck] == [Completed("done")] * 3
    others = [retained.start(False) for _ in range(4)]
    run()
    advance(11)
    assert cleanup_expired(limit=2) == 2
    assert cleanup_expired() == 2
    left = set(Workflow.objects.filter(parent=None).values_list("id", flat=True))
    assert left == set(stuck), f"none of {others}"
    for child in Workflow.objects.exclude(parent=None):
        workflow.send_event(child.id, "really")
    run()
    assert cleanup_expired() == 3
    assert not Workflow.objects.exists()


# -- cancel


@workflow.define(name="tests one step")
async def one_step(step: WorkflowContext) -> str:
    await step.run_mutation(steps.insert_effect, "k")
    return "done"


def ended_but_not_told() -> UUID:
    """A workflow whose only step has ended, of which its handler has not heard yet."""
    workflow_id = one_step.start()
    take_turn(workflow_id, None, None)
    live_handlers.clear()
    step = claim()
    assert step is not None
    Step.objects.filter(workflow=workflow_id).update(
        state="completed", result="1", due_at=None, finished_at=step.started_at
    )
    return workflow_id


def test_a_cancel_that_finds_its_workflow_at_its_end_says_so() -> None:
    workflow_id = ended_but_not_told()
    with pytest.raises(WorkflowNotRunning, match="completed before it could be told"):
        workflow.cancel(workflow_id)
    assert workflow.status(workflow_id) == Completed("done")


def test_by_force_it_is_canceled_all_the_same() -> None:
    workflow_id = ended_but_not_told()
    workflow.cancel(workflow_id, force=True)
    assert workflow.status(workflow_id) == Canceled()


@workflow.define(name="tests survives")
async def survives(step: WorkflowContext) -> str:
    try:
        await step.sleep(60)
    except asyncio.CancelledError:
        return "carried on"
    return "slept"


def test_a_handler_that_was_told_may_complete_all_the_same() -> None:
    workflow_id = survives.start()
    run()
    workflow.cancel(workflow_id)
    assert workflow.status(workflow_id) == Completed("carried on")


# -- restart after a cancellation


@workflow.define(name="tests cleans up at the same instant")
async def cleans_up_at_once(step: WorkflowContext) -> str:
    try:
        await step.sleep(60)
        return "slept"
    except asyncio.CancelledError:
        await step.run_mutation(steps.insert_effect, "cleaned up")
        raise


def test_a_restart_forgets_just_the_steps_that_came_after_the_cancellation() -> None:
    workflow_id = cleans_up_at_once.start()
    run()
    workflow.cancel(workflow_id)
    assert finish(workflow_id) == Canceled()
    # All at one instant, as on a coarse clock: only the numbers say what came first.
    instant = Workflow.objects.get().created_at
    Workflow.objects.update(cancel_requested_at=instant)
    Step.objects.update(created_at=instant)
    workflow.restart(workflow_id)
    run()
    assert list(workflow.steps(workflow_id).values_list("kind", flat=True)) == ["sleep"]
    assert finish(workflow_id) == Completed("slept")
    assert Effect.objects.count() == 1


@workflow.define(name="tests gives up a child that is too deep")
async def gives_up_a_deep_child(step: WorkflowContext, left: int) -> str:
    if left:
        return await step.run_workflow(gives_up_a_deep_child, left - 1)
    step.run_workflow(one_step).cancel()
    await step.sleep(60)
    return "bottom"


@pytest.mark.parametrize("replaying", [False, True])
def test_a_child_that_would_be_too_deep_is_not_begun_by_a_restart_either(replaying: bool) -> None:
    with override_settings(DJANGO_WORKFLOWS={"MAX_CHILD_DEPTH": 1}):
        top = gives_up_a_deep_child.start(1)
        run(replaying=replaying)
        workflow.cancel(Workflow.objects.get(depth=1).id)
        run(replaying=replaying)
        bottom = Workflow.objects.get(depth=1).id
        workflow.restart(bottom)
        assert not Workflow.objects.filter(depth__gt=1).exists()
        assert finish(bottom, replaying=replaying) == Completed("bottom")
        assert workflow.status(top).type == "failed"
    assert not Workflow.objects.filter(depth__gt=1).exists()
    assert not Effect.objects.exists()


# -- blocked


def test_blocking_does_not_wipe_out_a_wake_up_of_the_same_moment() -> None:
    workflow_id = survives.start()
    run()
    advance(61)
    claimed = workflow_store.claim_turn("", "worker")
    assert claimed is not None
    workflow.send_event(workflow_id, "other", 1)
    Workflow.objects.filter(pk=workflow_id).update(blocked_message="blocked before")
    workflow.retry_now(workflow_id)
    block(workflow_id, BlockedReason.CRASH_LOOP, "too often", seconds=None, deliveries=5, version=claimed.version)
    assert Workflow.objects.get().due_at is not None
    assert finish(workflow_id) == Completed("slept")


def test_without_a_wake_up_it_stays_blocked() -> None:
    workflow_id = survives.start()
    run()
    advance(timedelta(seconds=61))
    claimed = workflow_store.claim_turn("", "worker")
    assert claimed is not None
    block(workflow_id, BlockedReason.CRASH_LOOP, "too often", seconds=None, deliveries=5, version=claimed.version)
    assert Workflow.objects.get().due_at is None
