"""Workflows of every kind, and many definitions, for what has to stay flat."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from django_workflows import RetryPolicy, StepFailed, WorkflowContext, WorkflowManager

from .steps import fail, nothing

workflow = WorkflowManager(
    retry_actions_by_default=True, default_retry=RetryPolicy(max_attempts=2, initial_backoff=timedelta(milliseconds=10))
)


@workflow.define
async def retried(step: WorkflowContext, number: int) -> str:
    """A step that fails twice, and is caught."""
    try:
        await step.run_action(fail, number)
    except StepFailed as error:
        return str(error)
    return ""


@workflow.define
async def failing(step: WorkflowContext, number: int) -> None:
    """One that fails, with a message of its own."""
    await step.run_action(nothing, number)
    raise ValueError(f"no {number}")


@workflow.define
async def waiting(step: WorkflowContext, number: int) -> Any:
    """Waits for what never comes; it is canceled."""
    return await step.await_event(f"answer-{number}")


@workflow.define
async def asked(step: WorkflowContext, number: int) -> Any:
    """Waits for an event, beside a timer."""
    async with asyncio.timeout(60):
        return await step.await_event("answer")


@workflow.define
async def parents(step: WorkflowContext, number: int) -> int:
    """Two children side by side, and a nap."""
    await step.sleep(0.01)
    return sum(await asyncio.gather(*(step.run_workflow(DEFINITIONS[each], number) for each in (0, 1))))


def _definition(index: int) -> Any:
    async def handler(step: WorkflowContext, number: int) -> int:
        return sum([await step.run_action(nothing, number + each) for each in range(index % 7 + 1)])

    return workflow.define(name=f"many_{index}")(handler)


DEFINITIONS = [_definition(index) for index in range(200)]


def start(count: int, first: int) -> list[UUID]:
    """Start so many, of every kind; those that wait are told something, or canceled."""
    numbers = range(first, first + count)
    ids: list[UUID] = []
    for number in numbers:
        kind = (DEFINITIONS[number % 200], retried, failing, waiting, asked, parents)[max(0, number % 10 - 4)]
        ids.append(kind.start(number))
        if kind is waiting:
            workflow.cancel(ids[-1])
        if kind is asked:
            workflow.send_event(ids[-1], "answer", {"number": number})
    return ids
