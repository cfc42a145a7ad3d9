"""In the test kit, inside of a test's transaction: a step cancels its own workflow, and what was forgotten is told."""

from __future__ import annotations

from typing import Any

import pytest

from django_workflows import Canceled, Completed, RefusedInside, WorkflowContext, WorkflowManager, current_step
from tests.app.models import Effect

workflow = WorkflowManager()


def cancel_me(force: bool) -> str:
    Effect.objects.create(key="canceled itself")
    workflow.cancel(current_step().workflow_id, force=force)
    return "done"


def wait_for_me() -> Any:
    return workflow.result(current_step().workflow_id)


@workflow.define
async def cancels_itself(step: WorkflowContext, inline: bool, force: bool) -> str:
    return await step.with_options(inline=inline).run_mutation(cancel_me, force)


@workflow.define
async def waits_for_itself(step: WorkflowContext) -> str:
    return str(await step.run_action(wait_for_me))


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("inline", [False, True])
def test_a_step_cancels_its_own_workflow(db: None, workflows: Any, inline: bool, force: bool) -> None:
    workflow_id = cancels_itself.start(inline, force)
    workflows.run()
    assert workflow.status(workflow_id) == Canceled()
    assert Effect.objects.get().key == "canceled itself"


@pytest.mark.parametrize("inline", [False, True])
def test_a_workflow_that_is_begun_at_once_cancels_itself(db: None, workflows: Any, inline: bool) -> None:
    workflow_id = cancels_itself.with_options(start_async=False).start(inline, False)
    workflows.run()
    assert workflow.status(workflow_id) == Canceled()


def test_a_step_does_not_wait_for_itself(db: None, workflows: Any) -> None:
    workflow_id = waits_for_itself.start()
    workflows.run()
    status = workflow.status(workflow_id)
    assert status != Completed("done")
    assert status.error_type.endswith(RefusedInside.__name__)
