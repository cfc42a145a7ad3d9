"""The workloads as workflows."""

from __future__ import annotations

import asyncio
from datetime import datetime

from django_workflows import WorkflowContext, WorkflowManager

from . import many  # noqa: F401 - its definitions are found with these
from .steps import block, insert, nothing, wait

workflow = WorkflowManager()


@workflow.define
async def actions(step: WorkflowContext, count: int) -> int:
    """One action after the other."""
    total = 0
    for number in range(count):
        total += await step.run_action(nothing, number)
    return total


@workflow.define
async def waits(step: WorkflowContext, count: int, seconds: float) -> int:
    """One async action after the other, each of which waits."""
    total = 0
    for number in range(count):
        total += await step.run_action(wait, number, seconds)
    return total


@workflow.define
async def blocks(step: WorkflowContext, count: int, seconds: float) -> int:
    """The same with an ordinary function."""
    total = 0
    for number in range(count):
        total += await step.run_action(block, number, seconds)
    return total


@workflow.define
async def waits_beside(step: WorkflowContext, count: int, seconds: float) -> int:
    """So many async actions side by side."""
    return sum(await asyncio.gather(*(step.run_action(wait, number, seconds) for number in range(count))))


@workflow.define
async def mutations(step: WorkflowContext, count: int) -> int:
    """One mutation after the other, each of which inserts a row."""
    total = 0
    for number in range(count):
        total += await step.run_mutation(insert, step.workflow_id, number)
    return total


@workflow.define
async def inline_mutations(step: WorkflowContext, count: int) -> int:
    """The same, all in one transaction."""
    inline = step.with_options(inline=True)
    total = 0
    for number in range(count):
        total += await inline.run_mutation(insert, step.workflow_id, number)
    return total


@workflow.define
async def inline_nothing(step: WorkflowContext, count: int) -> int:
    """The same with mutations that do nothing, so that what is left is the engine's."""
    inline = step.with_options(inline=True)
    total = 0
    for number in range(count):
        total += await inline.run_mutation(nothing, number)
    return total


@workflow.define
async def naps(step: WorkflowContext, count: int, every: int, seconds: float) -> int:
    """Actions with a sleep between every so many of them."""
    total = 0
    for number in range(count):
        if number and number % every == 0:
            await step.sleep(seconds)
        total += await step.run_action(nothing, number)
    return total


@workflow.define
async def fan_out(step: WorkflowContext, count: int) -> int:
    """Actions side by side."""
    return sum(await asyncio.gather(*(step.run_action(nothing, number) for number in range(count))))


@workflow.define
async def families(step: WorkflowContext, count: int) -> int:
    """Children side by side, each with one action."""
    return sum(await asyncio.gather(*(step.run_workflow(actions, 1) for _ in range(count))))


@workflow.define
async def sleeper(step: WorkflowContext, seconds: float) -> None:
    """One timer."""
    await step.sleep(seconds)


@workflow.define
async def reminder(step: WorkflowContext, seconds: float) -> None:
    """An action, a long sleep, another action."""
    await step.run_action(nothing, 1)
    await step.sleep(seconds)
    await step.run_action(nothing, 2)


@workflow.define
async def alarm(step: WorkflowContext, instant: datetime) -> None:
    """One timer, due at an instant."""
    await step.sleep_until(instant)
