"""Workflows that wait for a time, and then go on in each of the ways in which one can."""

from __future__ import annotations

import asyncio
from typing import Any

from django_workflows import WorkflowContext, WorkflowManager, define_event
from tests.app import steps
from tests.app.workflows import child

workflow = WorkflowManager()
call = define_event("due.call", str)


@workflow.define(name="due.naps")
async def naps(step: WorkflowContext, count: int, seconds: float) -> int:
    for _ in range(count):
        await step.sleep(seconds)
    return count


@workflow.define(name="due.acts")
async def acts(step: WorkflowContext, key: str) -> list[Any]:
    await step.sleep(60)
    found = [await step.run_action(steps.add, 1, 1), await step.run_mutation(steps.insert_effect_then, f"{key}-1")]
    await step.sleep(60)
    return [*found, await step.run_mutation(steps.insert_effect_then, f"{key}-2")]


@workflow.define(name="due.acts_inline")
async def acts_inline(step: WorkflowContext, key: str) -> list[Any]:
    inline = step.with_options(inline=True)
    await step.sleep(60)
    return [await inline.run_mutation(steps.insert_effect_then, f"{key}-{number}") for number in range(2)]


@workflow.define(name="due.fans_out")
async def fans_out(step: WorkflowContext, count: int) -> int:
    await step.sleep(60)
    return sum(await asyncio.gather(*(step.run_action(steps.add, number, 1) for number in range(count))))


@workflow.define(name="due.has_a_child")
async def has_a_child(step: WorkflowContext) -> int:
    await step.sleep(60)
    return await step.run_workflow(child, 1)


@workflow.define(name="due.races")
async def races(step: WorkflowContext) -> int:
    """The first timer ends it, and the others are open still."""
    naps = [asyncio.ensure_future(step.sleep(seconds)) for seconds in (60, 120, 180)]
    done, _ = await asyncio.wait(naps, return_when=asyncio.FIRST_COMPLETED)
    return len(done)


@workflow.define(name="due.waits_in_parallel")
async def waits_in_parallel(step: WorkflowContext) -> int:
    """Three waits, two of which are over together."""

    async def nap(seconds: float) -> float:
        await step.sleep(seconds)
        return seconds

    return int(sum(await asyncio.gather(nap(60), nap(60), nap(90), step.run_action(steps.add, 1, 1))))


@workflow.define(name="due.gives_up_on_a_call")
async def gives_up_on_a_call(step: WorkflowContext) -> str:
    """A call may come in time, and is heard later else."""
    try:
        return "in time: " + await step.await_event(call, timeout=60)
    except TimeoutError:
        return "late: " + await step.await_event(call)


@workflow.define(name="due.fails")
async def fails(step: WorkflowContext) -> None:
    await step.sleep(60)
    raise ValueError("too late")


@workflow.define(name="due.begins_anew")
async def begins_anew(step: WorkflowContext, rounds: int) -> int:
    await step.sleep(60)
    if rounds:
        step.continue_as_new(rounds - 1)
    return rounds
