"""Handlers that go on for ever without a journal that does."""

import asyncio

import pytest

from django_workflows import Completed, Failed, WorkflowContext
from tests.app import steps
from tests.app.workflows import counts_for_ever, workflow
from tests.engine.driver import finish


def test_a_workflow_continues_under_its_own_id_with_an_empty_journal() -> None:
    workflow_id = counts_for_ever.start(0, 5)
    status = finish(workflow_id)
    assert isinstance(status, Completed)
    assert status.result[0] == 5
    assert workflow.steps(workflow_id).count() == 2
    row = workflow.list().get()
    assert (row.id, row.continuations) == (workflow_id, 4)


def test_each_run_has_its_own_random_numbers_and_idempotency_keys() -> None:
    keys = set()
    for until in (1, 2, 3):
        workflow_id = counts_for_ever.start(0, until)
        status = finish(workflow_id)
        assert isinstance(status, Completed)
        keys.add(status.result[2].removeprefix(str(workflow_id)))
    assert keys == {":1", ":1:1", ":2:1"}


def test_events_that_nobody_took_are_kept() -> None:
    workflow_id = counts_for_ever.start(0, 2)
    workflow.send_event(workflow_id, "later", 1)
    finish(workflow_id)
    assert workflow.list().get().events.get().state == "sent"


@workflow.define(name="tests continues from a task")
async def continues_from_a_task(step: WorkflowContext, count: int, how: str) -> int:
    """The loop's end is found by one of several tasks."""

    async def look() -> None:
        await step.run_action(steps.no_op)
        if count < 3:
            step.continue_as_new(count + 1, how)

    async def wait() -> None:
        await step.sleep(0 if count == 3 else 1000)

    async def break_down() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    if how == "gather":
        await asyncio.gather(look(), wait())
        return count
    async with asyncio.TaskGroup() as outer:
        outer.create_task(wait())
        async with asyncio.TaskGroup() as inner:
            inner.create_task(look())
            if how == "both":
                await step.run_action(steps.no_op)
                outer.create_task(break_down())
    return count


@pytest.mark.parametrize("how", ["gather", "group"])
@pytest.mark.parametrize("replaying", [False, True])
def test_one_of_several_tasks_may_continue_as_new(how: str, replaying: bool) -> None:
    workflow_id = continues_from_a_task.start(0, how)
    assert finish(workflow_id, replaying=replaying) == Completed(3)
    assert workflow.list().get().continuations == 3


def test_an_error_beside_it_is_not_lost() -> None:
    status = finish(continues_from_a_task.start(0, "both"))
    assert isinstance(status, Failed)
    assert "Group" in status.error_type
