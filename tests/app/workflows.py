"""Workflows that the engine's tests run."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django_workflows import ChildWorkflowFailed, RetryPolicy, StepFailed, WorkflowContext, WorkflowManager, define_event
from tests.app import steps
from tests.app.models import Effect

workflow = WorkflowManager()
quick = RetryPolicy(max_attempts=3, initial_backoff=0.01, jitter=0)
approval = define_event("approval", bool)


@workflow.define
async def sums(step: WorkflowContext, numbers: list[int]) -> int:
    total = 0
    for number in numbers:
        total = await step.run_action(steps.add, total, number)
    return total


@workflow.define
async def nothing(step: WorkflowContext) -> str:
    return "done"


@workflow.define
async def mutations(step: WorkflowContext, key: str, count: int) -> int:
    for index in range(count):
        await step.run_mutation(steps.insert_effect, f"{key}-{index}")
    return await step.run_query(steps.count_effects)


@workflow.define
async def inline_mutations(step: WorkflowContext, key: str, count: int) -> int:
    inline = step.with_options(inline=True)
    for index in range(count):
        await inline.run_mutation(steps.insert_effect, f"{key}-{index}")
    return await inline.run_query(steps.count_effects)


@workflow.define
async def retried(step: WorkflowContext, name: str, attempts: int) -> int:
    return await step.with_options(retry=quick).run_action(steps.fail_until, name, attempts)


@workflow.define
async def call(step: WorkflowContext, kind: str, function: str, arguments: dict[str, Any], options: dict[str, Any]) -> Any:
    if options.get("retry") == "quick":
        options["retry"] = quick
    run = getattr(step.with_options(**options), f"run_{kind}")
    return await run(getattr(steps, function), **arguments)


@workflow.define
async def declined(step: WorkflowContext, card: str) -> str:
    try:
        await step.run_action(steps.decline, card)
    except StepFailed as error:
        return f"{error.message}|{error.error_type}|{error.attempts}|{error.caused_by(steps.CardDeclined)}"
    return "accepted"


@workflow.define
async def typed(step: WorkflowContext, when: datetime, amount: Decimal, ident: UUID) -> tuple[datetime, Decimal, UUID]:
    assert isinstance(when, datetime)
    got = await step.run_action(steps.typed, when, amount, ident)
    assert got == (when, amount, ident), got
    point = await step.run_action(steps.shift, steps.Point(1, 2.0), 0.5)
    assert point == steps.Point(2, 2.5), point
    return got


@workflow.define
async def parallel(step: WorkflowContext, count: int) -> int:
    return sum(await asyncio.gather(*(step.run_action(steps.add, index, 1) for index in range(count))))


@workflow.define
async def sleeper(step: WorkflowContext, seconds: float) -> float:
    before = step.now()
    await step.sleep(seconds)
    return (step.now() - before).total_seconds()


@workflow.define
async def asks_approval(step: WorkflowContext, timeout: float | None = None) -> str:
    try:
        return "yes" if await step.await_event(approval, timeout=timeout) else "no"
    except TimeoutError:
        return "nobody answered"


@workflow.define
async def child(step: WorkflowContext, number: int) -> int:
    if number < 0:
        raise ValueError("negative")
    return await step.run_action(steps.add, number, 100)


@workflow.define
async def parent(step: WorkflowContext, numbers: list[int]) -> list[int]:
    return list(await asyncio.gather(*(step.run_workflow(child, number) for number in numbers)))


@workflow.define
async def careful_parent(step: WorkflowContext, number: int) -> str:
    try:
        return str(await step.run_workflow(child, number))
    except ChildWorkflowFailed as error:
        return f"{error.message}|{error.error_type}|{error.caused_by(ValueError)}"


@workflow.define
async def fails(step: WorkflowContext, message: str = "broken") -> None:
    raise RuntimeError(message)


@workflow.define
async def never_waits(step: WorkflowContext) -> None:
    while True:
        time.monotonic()


@workflow.define
async def asks_for_ever(step: WorkflowContext) -> None:
    while True:
        step.run_action(steps.no_op)


@workflow.define
async def uses_orm(step: WorkflowContext) -> int:
    return Effect.objects.count()


@workflow.define
async def uses_async_orm(step: WorkflowContext) -> int:
    return await Effect.objects.acount()


@workflow.define
async def lambda_step(step: WorkflowContext) -> None:
    await step.run_action(lambda: 1)


@workflow.define
async def deterministic(step: WorkflowContext) -> list[str]:
    first = [str(step.uuid4()), str(step.random.random()), step.now().isoformat()]
    await step.run_action(steps.no_op)
    await step.sleep(timedelta(milliseconds=1))
    second = [str(step.uuid4()), str(step.random.random()), step.now().isoformat()]
    echoed = await step.run_action(steps.echo, first + second)
    assert echoed == first + second
    return echoed
