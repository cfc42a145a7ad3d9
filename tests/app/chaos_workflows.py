"""Workflows of the chaos run: of every kind, each with one right end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from django_workflows import RetryPolicy, StepFailed, WorkflowContext, WorkflowManager, define_event
from tests.app import chaos_steps as steps

workflow = WorkflowManager()
#: Attempts die with their workers here, again and again.
stubborn = RetryPolicy(max_attempts=60, initial_backoff=0.05, base=1.2, max_backoff=0.5)
go = define_event("go", int)
never = define_event("never", int)


@workflow.define
async def sequential(step: WorkflowContext, key: str) -> str:
    await step.run_mutation(steps.mark, f"{key}:a")
    await step.with_options(retry=stubborn).run_action(steps.act, f"{key}:b")
    count = await step.run_query(steps.read, f"{key}:a")
    await step.run_mutation(steps.mark, f"{key}:c")
    return f"{key} {count}"


@workflow.define
async def parallel(step: WorkflowContext, key: str) -> str:
    retrying = step.with_options(retry=stubborn)
    done = await asyncio.gather(
        *(retrying.run_action(steps.act, f"{key}:{index}") for index in range(4)),
        step.run_mutation(steps.mark, f"{key}:m"),
    )
    await step.run_mutation(steps.mark, f"{key}:last")
    return f"{key} {len(done)}"


@workflow.define
async def parent(step: WorkflowContext, key: str) -> str:
    children = await asyncio.gather(*(step.run_workflow(sequential, f"{key}:{name}") for name in "xy"))
    await step.run_mutation(steps.mark, f"{key}:end")
    return f"{key} {len(children)}"


@workflow.define
async def waits(step: WorkflowContext, key: str) -> str:
    await step.run_mutation(steps.mark, f"{key}:before")
    number = await step.await_event(go)
    await step.run_mutation(steps.mark, f"{key}:after")
    return f"{key} {number}"


@workflow.define
async def timer(step: WorkflowContext, key: str, seconds: float) -> str:
    due = (step.now() + timedelta(seconds=seconds)).timestamp()
    await step.sleep(seconds)
    await step.with_options(retry=stubborn).run_action(steps.on_time, key, due)
    return f"{key} 1"


@workflow.define
async def retried(step: WorkflowContext, key: str) -> str:
    attempt = await step.with_options(retry=stubborn).run_action(steps.fail_at_first, key)
    await step.run_mutation(steps.mark, f"{key}:end")
    return f"{key} {attempt > 2:d}"


@workflow.define
async def at_most_once(step: WorkflowContext, key: str) -> str:
    """Either it ran, or it may have run and says so."""
    try:
        await step.run_action(steps.once, key)
        outcome = "ran"
    except StepFailed as error:
        outcome = error.error_type.rpartition(".")[2]
    await step.run_mutation(steps.mark, f"{key}:end")
    return f"{key} {outcome}"


@workflow.define
async def flock(step: WorkflowContext, key: str) -> str:
    """Children that are due at the same time, as a batch of them is."""
    counts = await asyncio.gather(*(step.run_workflow(brisk, f"{key}:{index}") for index in range(5)))
    await step.run_mutation(steps.mark, f"{key}:end")
    return f"{key} {sum(counts)}"


@workflow.define
async def brisk(step: WorkflowContext, key: str) -> int:
    """Quick actions without retry: each either ran, or may have run and says so."""
    count = 0
    for index in range(8):
        try:
            await step.run_action(steps.dash, f"{key}:{index}")
            count += 1
        except StepFailed as error:
            count += error.error_type.endswith("AttemptLost")
    return count


@workflow.define
async def flies(step: WorkflowContext, key: str) -> str:
    """Async actions side by side, with retry and without, and a mutation."""
    retrying = step.with_options(retry=stubborn)
    done = await asyncio.gather(
        *(retrying.run_action(steps.call, f"{key}:{index}") for index in range(6)),
        *(step.run_action(steps.dash_over, f"{key}:once{index}") for index in range(2)),
        return_exceptions=True,
    )
    wrong = [each for each in done if isinstance(each, Exception) and not _is_lost(each)]
    await step.run_mutation(steps.mark, f"{key}:end")
    return f"{key} {len(done) - len(wrong)}"


def _is_lost(error: Exception) -> bool:
    return isinstance(error, StepFailed) and error.error_type.endswith(("AttemptLost", "StepInterrupted"))


@workflow.define
async def given_up(step: WorkflowContext, key: str) -> str:
    """Canceled while it waits, and cleans up."""
    try:
        await step.await_event(never)
    finally:
        await step.run_mutation(steps.mark, f"{key}:cleaned")
    return "not canceled"
