"""Restart: with the whole journal, or from a step by number, name or function."""

from uuid import UUID, uuid4

import pytest

from django_workflows import (
    Completed,
    InProgress,
    StepNotFound,
    WorkflowContext,
    WorkflowNotFound,
    WorkflowStillRunning,
)
from django_workflows.engine.advance import advance
from django_workflows.engine.histories import mismatch, read_history
from django_workflows.engine.run_step import run_step
from django_workflows.models import Event
from django_workflows.store import workflows
from tests.app import steps
from tests.app.models import Effect
from tests.app.workflows import approval, asks_approval, cleans_up, parent_of_waiting, sums, workflow
from tests.engine.driver import become_another_process, claim, finish, run


@workflow.define(name="restart.makes_an_event")
async def makes_an_event(step: WorkflowContext) -> int:
    await step.run_action(steps.add, 1, 1)
    return await step.await_event(await step.create_event("made"))


both_ways = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


def finished() -> UUID:
    workflow_id = sums.start([1, 2, 3])
    assert finish(workflow_id) == Completed(6)
    steps.calls.clear()
    return workflow_id


@both_ways
@pytest.mark.parametrize(
    ("from_step", "repeated"), [(None, 0), (0, 3), (1, 2), (steps.add, 1), ("tests.app.steps.add", 1)]
)
def test_a_restart_repeats_what_it_was_told_to(from_step: object, repeated: int, replaying: bool) -> None:
    workflow_id = finished()
    workflow.restart(workflow_id, from_step)  # type: ignore[arg-type]
    assert finish(workflow_id, replaying=replaying) == Completed(6)
    assert len(steps.calls) == repeated


def test_a_canceled_workflow_goes_on_where_it_was() -> None:
    workflow_id = asks_approval.start()
    run()
    workflow.cancel(workflow_id)
    workflow.restart(workflow_id)
    run()
    assert workflow.status(workflow_id) == InProgress(["approval"])
    workflow.send_event(workflow_id, approval, True)
    assert finish(workflow_id) == Completed("yes")


def test_an_event_that_a_cancellation_kept_from_being_made_is_made() -> None:
    """The step before it ends unseen, so that the handler asks for the event and is canceled in one turn."""
    workflow_id = makes_an_event.start()
    record = workflows.claim_turn("", "a worker")
    advance(record, None)
    become_another_process()
    run_step(claim(), None)
    workflow.cancel(workflow_id)
    assert list(workflow.steps(workflow_id).values_list("kind", "state")) == [
        ("action", "completed"),
        ("create_event", "canceled"),
    ]
    workflow.restart(workflow_id)
    run()
    (event,) = Event.objects.filter(workflow=workflow_id)
    assert workflow.status(workflow_id) == InProgress([event.name])
    workflow.send_event(event_id=event.id, value=7)
    assert finish(workflow_id) == Completed(7)


def test_clean_up_steps_of_a_cancellation_are_forgotten() -> None:
    workflow_id = cleans_up.start("a")
    run()
    workflow.cancel(workflow_id)
    finish(workflow_id)
    workflow.restart(workflow_id)
    run()
    assert workflow.status(workflow_id) == Completed(None)  # the long wait is taken to be over
    assert Effect.objects.count() == 1


def test_a_child_that_was_canceled_with_its_parent_is_begun_anew() -> None:
    workflow_id = parent_of_waiting.start()
    run()
    workflow.cancel(workflow_id)
    workflow.restart(workflow_id)
    run()
    child = workflow.list(state="in_progress").get(parent=workflow_id)
    workflow.send_event(child.id, approval, True)
    assert finish(workflow_id) == Completed("yes")
    assert workflow.list().filter(parent=workflow_id).count() == 1


def test_a_restart_that_is_not_possible_changes_nothing() -> None:
    workflow_id = asks_approval.start()
    run()
    with pytest.raises(WorkflowStillRunning):
        workflow.restart(workflow_id)
    with pytest.raises(WorkflowNotFound):
        workflow.restart(uuid4())
    workflow_id = finished()
    for unknown in (99, -1, "unknown", steps.echo):
        with pytest.raises(StepNotFound):
            workflow.restart(workflow_id, unknown)
    assert workflow.status(workflow_id) == Completed(6)


def test_a_workflow_is_in_progress_once_restarted_and_its_callback_runs_in_a_worker() -> None:
    workflow_id = finished()
    workflow.restart(workflow_id)
    assert workflow.status(workflow_id) == InProgress([])
    assert finish(workflow_id) == Completed(6)


def test_a_restarted_workflow_that_is_canceled_by_force_before_its_turn_still_has_a_journal_that_replays() -> None:
    workflow_id = finished()
    workflow.restart(workflow_id, 1)
    workflow.cancel(workflow_id, force=True)
    assert mismatch(sums, read_history(workflow_id)) is None
