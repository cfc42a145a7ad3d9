"""Workflows for the tests with real clusters."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any

from django_workflows import RetryPolicy, StepFailed, StepInterrupted, WorkflowContext, WorkflowManager
from tests.app import cluster_steps as steps

workflow = WorkflowManager()
patient = RetryPolicy(max_attempts=50, initial_backoff=0.05, max_backoff=0.05, jitter=0)
quick = RetryPolicy(max_attempts=3, initial_backoff=0.05, jitter=0)


@workflow.define
async def chain(step: WorkflowContext, log: str, count: int, seconds: float = 0.0) -> int:
    """Actions in a row."""
    for index in range(count):
        await step.run_action(steps.act, log, str(index), seconds)
    return count


@workflow.define
async def brisk(step: WorkflowContext, log: str, name: str, freezes_at: int = -1) -> list[int]:
    """Quick actions in a row, as a worker leads several side by side."""
    context = step.with_options(retry=quick)
    return [await context.run_action(steps.brisk, log, f"{name}-{index}", index == freezes_at) for index in range(8)]


@workflow.define
async def one(step: WorkflowContext, kind: str, function: str, arguments: list[Any], retry: bool = False) -> Any:
    """One step of any kind; its failure is the result."""
    context = step.with_options(retry=quick) if retry else step
    try:
        return await getattr(context, f"run_{kind}")(getattr(steps, function), *arguments)
    except StepFailed as error:
        return f"{error.error_type}|{error.message}"


@workflow.define
async def patiently(step: WorkflowContext, function: str, arguments: list[Any]) -> Any:
    """An action that is tried up to fifty times; its failure is the result."""
    try:
        return await step.with_options(retry=patient).run_action(getattr(steps, function), *arguments)
    except StepFailed as error:
        return f"{error.error_type}|{error.message}"


@workflow.define
async def never_waits(step: WorkflowContext, log: str, name: str) -> None:
    steps.note(log, f"busy-{name}")
    while True:
        pass


@workflow.define
async def everything(step: WorkflowContext, log: str, key: str) -> list[Any]:
    """A bit of all: mutations, a timer, parallel actions, a retry, a child."""
    first = await step.run_mutation(steps.change, log, f"{key}-first")
    await step.sleep(0.2)
    parts = await asyncio.gather(*(step.run_action(steps.act, log, f"{key}-{index}") for index in range(5)))
    answer = await step.run_workflow(child, log, key)
    last = await step.run_mutation(steps.change, log, f"{key}-last")
    return [first, len(parts), answer, last]


@workflow.define
async def child(step: WorkflowContext, log: str, key: str) -> str:
    return await step.run_action(steps.act, log, f"{key}-child")


@workflow.define
async def timer(step: WorkflowContext, log: str, name: str, seconds: float) -> str:
    await step.sleep(seconds)
    return await step.run_action(steps.act, log, name)


@workflow.define(queue="slow")
async def on_slow(step: WorkflowContext, log: str, name: str) -> str:
    return await step.run_action(steps.act, log, name)


@workflow.define(queue="tests")
async def on_default(step: WorkflowContext, log: str, name: str) -> str:
    """Its queue bears the default cluster's name."""
    return await step.run_action(steps.act, log, name)


@workflow.define
async def to_slow_and_back(step: WorkflowContext, log: str) -> None:
    await step.run_action(steps.act, log, "here")
    await step.with_options(queue="slow").run_action(steps.act, log, "there")
    await step.run_action(steps.act, log, "back")


@workflow.define
async def kills_its_worker(step: WorkflowContext, log: str) -> None:
    steps.die(log, "turn")  # deterministic: it does that each time


@workflow.define
async def wakes_up(step: WorkflowContext, log: str, instant: datetime, deadly: bool) -> bool:
    await step.sleep_until(instant)
    if deadly:
        steps.die(log, "timer")
    return deadly


@workflow.define
async def canceling_itself(step: WorkflowContext, kind: str, key: str, force: bool) -> str:
    context = step.with_options(inline=True) if "inline" in kind else step
    run = context.run_action if kind == "action" else context.run_mutation
    await run(steps.cancel_own_workflow, key, force)
    return await step.run_mutation(steps.change_quickly, f"{key}, too far")


with suppress(ImportError):  # what a test has "deployed", see test_new_code.py
    import deployed_by_a_test  # noqa: F401


# -- actions in flight

twice = RetryPolicy(max_attempts=2, initial_backoff=0.05, jitter=0)


@workflow.define
async def flies(step: WorkflowContext, log: str, key: str) -> list[Any]:
    """Async actions, one of which fails at first, mutations, ten side by side, and an ordinary one."""
    retried = step.with_options(retry=twice)
    first = await retried.run_action(steps.unavailable_at_first, log, f"{key}-retried")
    await step.run_mutation(steps.change, log, f"{key}-change")
    many = await asyncio.gather(*(step.run_action(steps.waits, log, f"{key}-{n}", 0.02) for n in range(10)))
    slow = await step.run_action(steps.act, log, f"{key}-slow", 0.02)
    return [first, len(many), slow, await step.run_mutation(steps.change, log, f"{key}-last")]


@workflow.define(max_parallelism=5)
async def pooled(step: WorkflowContext, log: str, key: str) -> str:
    return await step.run_action(steps.waits, log, key, 0.1)


@workflow.define(max_parallelism=2)
async def pooled_patiently(step: WorkflowContext, log: str, key: str, seconds: float) -> str:
    """Takes so long when it is begun first."""
    await step.with_options(retry=twice).run_action(steps.waits_at_first, log, key, seconds)
    return key


@workflow.define
async def asks(step: WorkflowContext, function: str, arguments: list[Any], options: dict[str, Any], retry: int) -> Any:
    """One action with options; its failure is the result."""
    policy = RetryPolicy(max_attempts=retry, initial_backoff=0.05, jitter=0) if retry else False
    try:
        return await step.with_options(retry=policy, **options).run_action(getattr(steps, function), *arguments)
    except StepInterrupted as error:
        return f"interrupted|{error.message}"
    except StepFailed as error:
        return f"{error.error_type}|{error.message}"
