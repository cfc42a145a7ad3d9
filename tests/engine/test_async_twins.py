"""The ``a...`` twins, from async code."""

import asyncio
import functools

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from django_workflows import (
    Completed,
    InProgress,
    InvalidArguments,
    ResultTimeout,
    WorkflowFailed,
    WorkflowNotFound,
)
from django_workflows.models import Workflow
from tests.app import workflows as flows
from tests.engine.driver import finish, run
from tests.waiting import PATIENCE

workflow = flows.workflow


def run_async(test):
    @functools.wraps(test)
    def wrapped() -> None:
        async_to_sync(test)()

    return wrapped


@run_async
async def test_astart_astatus_and_aresult():
    workflow_id = await flows.sums.astart([1, 2])
    assert await workflow.astatus(workflow_id) == InProgress([])
    assert await sync_to_async(finish)(workflow_id) == Completed(3)
    assert await workflow.aresult(workflow_id) == 3


@run_async
async def test_astart_by_name_and_with_options():
    first = await workflow.astart("tests.app.workflows.sums", {"numbers": [1]}, idempotency_key="k")
    assert await flows.sums.with_options(idempotency_key="k").astart([2]) == first


@run_async
async def test_astart_with_bad_arguments_stores_nothing():
    with pytest.raises(InvalidArguments):
        await flows.sums.astart("x")
    assert not await Workflow.objects.aexists()


@run_async
async def test_astart_that_begins_at_once():
    workflow_id = await flows.nothing.with_options(start_async=False).astart()
    assert await workflow.astatus(workflow_id) == Completed("done")
    with pytest.raises(RuntimeError, match="broken"):
        await flows.fails.with_options(start_async=False).astart()


@run_async
async def test_aresult_lets_other_tasks_run_while_it_waits():
    workflow_id = await flows.sums.astart([1])
    _, result = await asyncio.gather(sync_to_async(run)(), workflow.aresult(workflow_id, timeout=PATIENCE))
    assert result == 1


@run_async
async def test_aresult_raises_what_result_raises():
    broken, waiting = await flows.fails.astart("broken"), await flows.asks_approval.astart()
    await sync_to_async(run)()
    with pytest.raises(WorkflowFailed, match="broken"):
        await workflow.aresult(broken)
    with pytest.raises(ResultTimeout):
        await workflow.aresult(waiting, timeout=0.02)
    with pytest.raises(WorkflowNotFound):
        await workflow.aresult("nothing")


@run_async
async def test_awatch_gives_every_status_it_sees_up_to_the_end():
    workflow_id = await flows.sums.astart([1])
    seen = []
    async for status in workflow.awatch(workflow_id, timeout=PATIENCE):
        seen.append(status)
        await sync_to_async(run)()
    assert seen == [InProgress([]), Completed(1)]


@run_async
async def test_acleanup():
    workflow_id = await flows.nothing.astart()
    assert await workflow.acleanup(workflow_id) is False
    await sync_to_async(run)()
    assert await workflow.acleanup(workflow_id) is True
    with pytest.raises(WorkflowNotFound):
        await workflow.astatus(workflow_id)
