"""The code of the golden journals. What is here must replay them for ever: add handlers, and change none.

A handler may change only as a user's may: behind ``step.patched``, as ``golden_patched`` has.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django_workflows import (
    ChildWorkflowFailed,
    EventFailed,
    RetryPolicy,
    StepFailed,
    WorkflowContext,
    WorkflowManager,
    define_event,
)
from tests.app.models import Counter

workflow = WorkflowManager(name="tests.golden")
again = RetryPolicy(max_attempts=3, initial_backoff=1, jitter=0)
answer = define_event("golden answer", int | str)


@dataclass
class Item:
    name: str
    price: Decimal
    at: datetime


def echo(value: int) -> int:
    return value


def read() -> list[int]:
    return [1, 2, 3]


def write(value: int) -> int:
    return value


def fail() -> None:
    raise ValueError("no")


tried: list[int] = []


def fail_at_first(value: int) -> int:
    tried.append(value)
    if tried.count(value) < 2:
        raise ConnectionError("not yet")
    return value


def price(item: Item) -> Item:
    return Item(item.name, item.price * 2, item.at)


def typed(ident: UUID, number: float, when: datetime) -> list[str]:
    return [str(ident), repr(number), when.isoformat()]


@workflow.define(name="golden kinds")
async def kinds(step: WorkflowContext) -> list[object]:
    first = await step.run_query(read)
    second = await step.run_mutation(write, 2)
    third = await step.run_action(echo, value=3)
    inline = await step.with_options(inline=True).run_mutation(write, 4)
    named = await step.with_options(name="a name").run_action(echo, 5)
    return [first, second, third, inline, named]


@workflow.define(name="golden values")
async def values(step: WorkflowContext, item: Item) -> Item:
    drawn = await step.run_action(typed, step.uuid4(), step.random.random(), step.now())
    doubled = await step.run_action(price, item)
    assert isinstance(doubled.price, Decimal)
    return Item(drawn[0], doubled.price, step.now())


@workflow.define(name="golden failures")
async def failures(step: WorkflowContext, catch: bool) -> str:
    found = await step.with_options(retry=again).run_action(fail_at_first, 7)
    try:
        await step.run_mutation(fail)
    except StepFailed as error:
        if not catch:
            raise
        return f"{found} {error.message}"
    return "not reached"


@workflow.define(name="golden timers")
async def timers(step: WorkflowContext) -> float:
    begun = step.now()
    await step.sleep(timedelta(hours=1), name="an hour")
    await step.sleep_until(begun + timedelta(hours=2))
    await asyncio.sleep(60)
    await step.with_options(run_after=30).run_action(echo, 1)
    await step.with_options(run_at=begun + timedelta(hours=3)).run_mutation(write, 1)
    await step.with_options(run_after=5).sleep(5)
    return (step.now() - begun).total_seconds()


@workflow.define(name="golden events")
async def events(step: WorkflowContext) -> list[object]:
    first = await step.await_event(answer)
    try:
        await step.await_event("by name")
    except EventFailed as error:
        failed = error.message
    made = await step.create_event("made")
    await step.run_mutation(echo, 1)
    by_id = await step.await_event(made)
    try:
        late = await step.await_event("never", timeout=10)
    except TimeoutError:
        late = "late"
    delayed = await step.with_options(run_after=60).await_event("delayed")
    return [first, failed, by_id, late, delayed]


@workflow.define(name="golden gather")
async def gathered(step: WorkflowContext) -> list[int]:
    both = await asyncio.gather(*(step.run_action(echo, number) for number in range(5)), step.sleep(1))
    return [each for each in both if each is not None]


@workflow.define(name="golden race")
async def race(step: WorkflowContext, seconds: int) -> list[str]:
    """A step, a timer and an event; those that are late are given up."""
    waits = {
        "step": step.with_options(run_after=20).run_action(echo, 1),
        "timer": step.sleep(seconds),
        "event": step.await_event("go"),
    }
    done, late = await asyncio.wait(waits.values(), return_when=asyncio.FIRST_COMPLETED)
    for each in late:
        each.cancel()
    await step.run_mutation(write, 1)
    return [name for name, each in waits.items() if each in done]


@workflow.define(name="golden deadline")
async def deadline(step: WorkflowContext) -> object:
    try:
        async with asyncio.timeout(30):
            return await step.await_event("go")
    except TimeoutError:
        await step.run_mutation(write, 1)
        return "late"


@workflow.define(name="golden group")
async def group(step: WorkflowContext) -> list[int]:
    found: list[int] = []
    slots = asyncio.Semaphore(2)

    async def one(number: int) -> None:
        async with slots:
            found.append(await step.run_action(echo, number))

    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(one(number))
    for each in asyncio.as_completed([step.sleep(3), step.sleep(1)]):
        await each
    return [*sorted(found), *await step.map(echo, [10, 20, 30, 40], limit=2)]


@workflow.define(name="golden child")
async def child(step: WorkflowContext, number: int) -> int:
    if number < 0:
        raise ValueError("negative")
    if number > 100:
        await step.await_event("never")
    return await step.run_action(echo, number)


@workflow.define(name="golden parent")
async def parent(step: WorkflowContext) -> list[object]:
    both = await asyncio.gather(step.run_workflow(child, 1), step.run_workflow(child, 2))
    try:
        await step.run_workflow(child, -1)
    except ChildWorkflowFailed as error:
        failed = error.message
    try:
        async with asyncio.timeout(5):
            await step.run_workflow(child, 101)
    except TimeoutError:
        return [*both, failed, "gave up"]
    return []


@workflow.define(name="golden canceled")
async def canceled(step: WorkflowContext) -> str:
    try:
        await asyncio.gather(step.sleep(1000), step.await_event("go"), step.run_workflow(child, 102))
    except asyncio.CancelledError:
        await step.run_mutation(write, 9)
        await step.sleep(5)
        raise
    return "not canceled"


@workflow.define(name="golden anew")
async def anew(step: WorkflowContext, count: int) -> list[object]:
    drawn = step.random.randrange(1000)
    await step.run_action(echo, count)
    if count < 2:
        step.continue_as_new(count + 1)
    return [count, drawn, await step.await_event("go")]


@workflow.define(name="golden patched")
async def patched(step: WorkflowContext) -> int:
    first = await step.run_action(echo, 1)
    if step.patched("twice"):
        first = await step.run_action(echo, first * 2)
    return await step.run_mutation(write, first)


@workflow.define(name="golden unstable")
async def unstable(step: WorkflowContext) -> int:
    return await step.with_options(unstable_args=True).run_action(echo, 3)


ITEM = Item("tea", Decimal("2.50"), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def counted(counter: Counter) -> Counter:
    return counter


def name_of(counter: Counter) -> str:
    return counter.name


@workflow.define(name="golden instances")
async def instances(step: WorkflowContext, counter: Counter) -> Counter:
    returned = await step.run_query(counted, counter)
    await step.sleep(60)
    await step.run_query(name_of, returned)
    return await step.run_mutation(counted, counter)
