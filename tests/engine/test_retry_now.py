"""Not waiting for the back-off to be over."""

import pytest

from django_workflows import Completed, RetryPolicy, WorkflowManager, WorkflowNotRunning
from django_workflows.core.context import WorkflowContext
from tests.app import steps
from tests.app.workflows import nothing, workflow
from tests.engine.driver import finish, run

patient = WorkflowManager(default_retry=RetryPolicy(max_attempts=3, initial_backoff=3600))


@patient.define
async def fails_once(step: WorkflowContext) -> int:
    return await step.with_options(retry=True).run_action(steps.fail_until, "patient", 2)


def test_a_step_in_back_off_is_tried_at_once() -> None:
    workflow_id = fails_once.start()
    run()
    assert workflow.steps(workflow_id).get().state == "queued"
    workflow.retry_now(workflow_id)
    run()
    assert workflow.status(workflow_id) == Completed(2)


def test_a_step_that_was_never_tried_keeps_its_time() -> None:
    workflow_id = workflow.start("tests.app.workflows.sleeper", {"seconds": 60})
    run()
    due = workflow.list().get().due_at
    workflow.retry_now(workflow_id)
    assert workflow.list().get().due_at == due


def test_what_ended_is_not_tried_again() -> None:
    workflow_id = nothing.start()
    finish(workflow_id)
    with pytest.raises(WorkflowNotRunning):
        workflow.retry_now(workflow_id)
