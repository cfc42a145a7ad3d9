"""Workflows that the engine's tests run."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django_workflows import (
    ChildWorkflowFailed,
    RetryPolicy,
    StepFailed,
    WorkflowContext,
    WorkflowManager,
    define_event,
)
from tests.app import steps
from tests.app.models import Counter, Effect

#: A back-off that no busy machine sits out, unless the engine's clock is moved.
workflow = WorkflowManager(default_retry=RetryPolicy(initial_backoff=60))
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
async def call(
    step: WorkflowContext, kind: str, function: str, arguments: dict[str, Any], options: dict[str, Any]
) -> Any:
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
        step.run_action(steps.no_op)  # deterministic: what is never awaited is what tests look at


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


@workflow.define
async def inserts_and_acts(step: WorkflowContext, key: str) -> list[Any]:
    """One of each kind, in a row."""
    retrying = step.with_options(retry=quick)
    first = await step.run_mutation(steps.insert_effect_then, f"{key}-1")
    second = await retrying.run_action(steps.add, 1, 2)
    third = await step.run_mutation(steps.insert_effect_then, f"{key}-3")
    fourth = await step.with_options(inline=True).run_mutation(steps.insert_effect_then, f"{key}-4")
    return [first, second, third, fourth, await step.run_query(steps.find_effects, f"{key}-")]


@workflow.define
async def retries_in_parallel(step: WorkflowContext, key: str) -> list[str]:
    """Actions that fail at first, side by side with mutations."""
    retrying = step.with_options(retry=quick)
    found = await asyncio.gather(
        retrying.run_action(steps.fail_at_first, "a"),
        step.run_mutation(steps.insert_effect_then, f"{key}-1"),
        retrying.run_action(steps.fail_at_first, "b"),
        step.run_mutation(steps.insert_effect_then, f"{key}-2"),
    )
    return [*found, await step.run_mutation(steps.insert_effect_then, f"{key}-3")]


@workflow.define
async def inserting_parent(step: WorkflowContext, key: str) -> list[int]:
    return list(await asyncio.gather(*(step.run_workflow(inserting_child, f"{key}-{index}") for index in (1, 2))))


@workflow.define
async def inserting_child(step: WorkflowContext, key: str) -> int:
    await step.run_mutation(steps.insert_effect, key)
    return int(key[-1])


@workflow.define
async def race(step: WorkflowContext, seconds: list[float]) -> list[int]:
    """The order in which sleeps end, as ``as_completed`` has it."""

    async def nap(index: int) -> int:
        await step.sleep(seconds[index], name=f"nap {index}")
        return index

    naps = [asyncio.create_task(nap(index)) for index in range(len(seconds))]
    return [await next_one for next_one in asyncio.as_completed(naps)]


@workflow.define
async def fan_out_and_retry(step: WorkflowContext, name: str, count: int) -> int:
    """Parallel steps of which each needs two attempts, then a mutation."""
    context = step.with_options(retry=quick)
    found = await asyncio.gather(*(context.run_action(steps.fail_until, f"{name}-{i}", 2) for i in range(count)))
    await step.run_mutation(steps.insert_effect, name)
    return sum(found)


@workflow.define
async def steps_of_all_kinds(step: WorkflowContext) -> str:
    """Open steps of every kind at once, in this order."""
    waits: list[Any] = [
        step.run_action(steps.add, 1, 2),
        step.await_event(approval),
        step.sleep(3600),
        step.sleep(3600, name="cool down"),
        step.with_options(name="a name of its own").run_query(steps.count_effects),
        step.run_workflow(asks_approval),
        step.with_options(run_after=60).run_mutation(steps.insert_effect, "later"),
    ]
    await asyncio.gather(*waits)
    return "never"


@workflow.define
async def points(step: WorkflowContext, point: steps.Point) -> steps.Point:
    return await step.run_action(steps.shift, point, 0.5)


@workflow.define
async def tries_a_mutation(step: WorkflowContext, key: str) -> list[str]:
    try:
        await step.run_mutation(steps.insert_effect_and_fail, f"{key}-1")
    except StepFailed as error:
        return [error.message, await step.run_mutation(steps.insert_effect_then, f"{key}-2")]
    return []


@workflow.define
async def tries_an_inline_mutation(step: WorkflowContext, key: str) -> list[str]:
    inline = step.with_options(inline=True)
    done = [await step.run_mutation(steps.insert_effect_then, f"{key}-1")]
    done.append(await inline.run_mutation(steps.insert_effect_then, f"{key}-2"))
    try:
        await inline.run_mutation(steps.insert_effect_and_fail, f"{key}-3")
    except StepFailed as error:
        done += [error.message, await inline.run_mutation(steps.insert_effect_then, f"{key}-4")]
    return [*done, await step.run_mutation(steps.insert_effect_then, f"{key}-5")]


@workflow.define
async def parallel_mutations(step: WorkflowContext, key: str, count: int) -> int:
    await asyncio.gather(*(step.run_mutation(steps.insert_effect, f"{key}-{index}") for index in range(count)))
    return await step.run_query(steps.count_effects)


@workflow.define
async def gives_up_on_a_mutation(step: WorkflowContext, key: str) -> str:
    try:
        async with asyncio.timeout(20):
            await step.run_mutation(steps.insert_effect, key)
    except TimeoutError:
        return "gave up"
    return "written"


@workflow.define
async def reads_then_writes(step: WorkflowContext, key: str, inline: bool) -> list[int]:
    context = step.with_options(inline=inline)
    before = await context.run_query(steps.count_effects)
    await context.run_mutation(steps.insert_effect, key)
    return [before, await context.run_query(steps.count_effects)]


@workflow.define
async def fails_reading_then_writes(step: WorkflowContext, key: str, inline: bool) -> str:
    context = step.with_options(inline=inline)
    try:
        await context.run_query(steps.write_in_query)
    except StepFailed:
        return await context.run_mutation(steps.insert_effect_then, key)
    return "it could write"


@workflow.define
async def cleans_up(step: WorkflowContext, key: str) -> None:
    try:
        await step.sleep(1000, name="long wait")
    except asyncio.CancelledError:
        await step.run_mutation(steps.insert_effect, f"{key} cleaned up")
        raise


@workflow.define
async def parent_of_waiting(step: WorkflowContext) -> str:
    return await step.run_workflow(asks_approval)


limited = WorkflowManager(max_parallelism=2, name="tests.limited")


@limited.define
async def limited_parallel(step: WorkflowContext, count: int) -> int:
    return sum(await asyncio.gather(*(step.run_action(steps.add, index, 1) for index in range(count))))


@workflow.define
async def waits_after_its_child(step: WorkflowContext) -> int:
    found = await step.run_workflow(child, 1)
    await step.sleep(60)
    return found


@workflow.define
async def counts_for_ever(step: WorkflowContext, number: int, until: int) -> list[Any]:
    key = str(step.uuid4())
    number = await step.run_action(steps.add, number, 1)
    if number < until:
        step.continue_as_new(number, until)
    return [number, key, (await step.run_action(steps.who_am_i))["key"]]


@workflow.define
async def mapped(step: WorkflowContext, numbers: list[int], limit: int) -> list[int]:
    return await step.map(steps.negated, numbers, limit=limit)


@workflow.define
async def two_keys(step: WorkflowContext) -> list[str]:
    return [await step.run_action(steps.my_key), await step.run_action(steps.my_key)]


@workflow.define
async def echoes(step: WorkflowContext, value):
    return await step.run_action(steps.echo, value)


@workflow.define
async def waits_then_echoes(step: WorkflowContext, value: str) -> list[str]:
    first = await step.run_action(steps.echo, value)
    await step.sleep(60)
    return [first, await step.run_action(steps.echo, first)]


@workflow.define
async def doubles(step: WorkflowContext, counter: Counter) -> int | None:
    doubled = await step.run_mutation(steps.double, counter)
    assert doubled.pk == counter.pk
    assert await step.run_query(steps.value_of, None) is None
    return await step.run_query(steps.value_of, doubled)


@workflow.define
async def naps_in_its_turn(step: WorkflowContext, after_a_mutation: bool = False) -> str:
    """Blocks its worker, until a test says that it need not any more."""
    if after_a_mutation:
        await step.run_mutation(steps.insert_effect, "k")
    return steps.nap(0 if "awake" in steps.calls else 30)


@workflow.define
async def child_with_a_failing_step(step: WorkflowContext) -> None:
    await step.run_mutation(steps.insert_effect_and_fail, "never")


@workflow.define
async def parent_of_a_failing_step(step: WorkflowContext) -> str:
    try:
        await step.run_workflow(child_with_a_failing_step)
    except ChildWorkflowFailed as error:
        return f"{error.error_type}|{error.caused_by(steps.CardDeclined)}|{error.caused_by(StepFailed)}"
    return ""


@workflow.define
async def tampered(step: WorkflowContext, key: str) -> list[Any]:
    """Has a journal with one of each, for tests that change its rows."""
    first = await step.with_options(retry=quick).run_action(steps.add, 1, 2)
    waits = step.await_event(approval, timeout=3600)
    found = step.run_workflow(asks_approval, 10)
    second = await step.with_options(run_after=30).run_mutation(steps.insert_effect_then, key)
    return [first, second, await waits, await found]


@workflow.define
async def waits_for_ever(step: WorkflowContext) -> None:
    await step.await_event("go")


@workflow.define
async def ends_before_its_child(step: WorkflowContext, waits: bool) -> str:
    """Nobody waits for the child, which runs when its parent ends."""
    _ = step.run_workflow(waits_for_ever)  # deterministic: it is to run when its parent ends
    if waits:
        await step.sleep(5)
    return "done"
