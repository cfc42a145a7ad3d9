"""Handlers made up by Hypothesis: small trees of everything that a handler can do, and the handler that plays them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from django_workflows import StepFailed, WorkflowContext

from .steps import broken, echo, other
from .world import Handler, note

CAUGHT = (StepFailed, TimeoutError, ExceptionGroup)


@dataclass(frozen=True)
class Run:
    """One step; its argument is a constant, or something that must not differ on replay."""

    argument: str
    method: str = "run_action"
    inline: bool = False


@dataclass(frozen=True)
class Fail:
    message: str


@dataclass(frozen=True)
class Sleep:
    seconds: int
    by_asyncio: bool


@dataclass(frozen=True)
class Await:
    """An event of that name, or a timeout."""

    name: str
    timeout: int | None


@dataclass(frozen=True)
class Patch:
    name: str


@dataclass(frozen=True)
class Together:
    """Several parts at once: ``how`` is the name of a function of this module."""

    how: str
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Around:
    """Something around a part; ``how`` is the name of a function of this module."""

    how: str
    part: Any


def programs() -> st.SearchStrategy[Any]:
    return st.recursive(leaves(), lambda children: groups(children) | wrappers(children), max_leaves=9)


def leaves() -> st.SearchStrategy[Any]:
    arguments = st.sampled_from(["a", "b", "random", "uuid", "now", "task"])
    return st.one_of(
        st.builds(Run, arguments),
        st.builds(Run, arguments, st.sampled_from(["run_query", "run_mutation"]), st.booleans()),
        st.builds(Fail, st.sampled_from(["no", "never"])),
        st.builds(Sleep, st.integers(0, 3).map(lambda tens: 10 * tens), st.booleans()),
        st.builds(Await, st.sampled_from(["news", "reply"]), st.none() | st.integers(1, 30)),
        st.builds(Patch, st.sampled_from(["first", "second"])),
    )


def groups(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(children, min_size=1, max_size=4).map(tuple)
    return st.builds(Together, st.sampled_from(sorted(GROUPS)), parts)


def wrappers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(Around, st.sampled_from(sorted(WRAPPERS)), children)


def handler_of(program: Any) -> Handler:
    async def handler(step: WorkflowContext) -> Any:
        return await play(step, program)

    return handler


async def play(step: WorkflowContext, program: Any) -> Any:
    match program:
        case Run():
            result = await run(step, program)
        case Fail():
            result = await step.run_action(broken, program.message)
        case Sleep():
            result = await (asyncio.sleep if program.by_asyncio else step.sleep)(program.seconds)
        case Await():
            result = await step.await_event(program.name, timeout=program.timeout)
        case Patch():
            result = await step.run_action(other if step.patched(program.name) else echo, program.name)
        case Together():
            result = await GROUPS[program.how](step, program.parts)
        case Around():
            result = await WRAPPERS[program.how](step, program.part)
    note(type(program).__name__, repr(result), step.now())
    return result


def run(step: WorkflowContext, program: Run) -> Awaitable[Any]:
    task = asyncio.current_task()
    assert task is not None
    argument: Any = {
        "random": step.random.random,
        "uuid": lambda: str(step.uuid4()),
        "now": lambda: step.now().isoformat(),
        "task": task.get_name,
    }.get(program.argument, lambda: program.argument)()
    chosen = step.with_options(inline=True) if program.inline else step
    return getattr(chosen, program.method)(echo, argument)


async def in_turn(step: WorkflowContext, parts: Any) -> list[Any]:
    return [await play(step, part) for part in parts]


async def gathered(step: WorkflowContext, parts: Any) -> list[Any]:
    return await asyncio.gather(*[play(step, part) for part in parts])


async def gathered_whatever(step: WorkflowContext, parts: Any) -> list[str]:
    results = await asyncio.gather(*[play(step, part) for part in parts], return_exceptions=True)
    return [repr(result) for result in results]


async def in_a_group(step: WorkflowContext, parts: Any) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(play(step, part)) for part in parts]
    return [task.result() for task in tasks]


async def raced(step: WorkflowContext, parts: Any) -> list[Any]:
    tasks = {asyncio.create_task(play(step, part)) for part in parts}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return [task.result() for task in done]


async def as_completed(step: WorkflowContext, parts: Any) -> list[Any]:
    return [await each for each in asyncio.as_completed([play(step, part) for part in parts], timeout=25)]


async def through_a_queue(step: WorkflowContext, parts: Any) -> int:
    queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)

    async def worker() -> None:
        while True:
            part = await queue.get()
            try:
                await play(step, part)
            except CAUGHT as error:
                note(repr(error))
            finally:
                queue.task_done()

    workers = [asyncio.create_task(worker()) for _ in range(2)]
    try:
        for part in parts:
            await queue.put(part)
        await queue.join()
    finally:
        for each in workers:
            each.cancel()
    return len(parts)


async def generated(step: WorkflowContext, parts: Any) -> list[Any]:
    async def results() -> AsyncIterator[Any]:
        try:
            for part in parts:
                yield await play(step, part)
        finally:
            await step.run_mutation(other, "generator closed")

    taken = []
    async for result in results():
        taken.append(result)
        if step.random.random() < 0.5:
            break
    async with aclosing(results()) as again:
        async for result in again:
            taken.append(result)
            break
    return taken


async def limited(step: WorkflowContext, part: Any) -> Any:
    async with asyncio.timeout(15):
        return await play(step, part)


async def waited_for(step: WorkflowContext, part: Any) -> Any:
    return await asyncio.wait_for(play(step, part), 15)


async def caught(step: WorkflowContext, part: Any) -> Any:
    try:
        return await play(step, part)
    except CAUGHT as error:
        return repr(error)


async def cleaned_up(step: WorkflowContext, part: Any) -> Any:
    try:
        return await play(step, part)
    finally:
        await step.run_mutation(other, "cleaned up")


async def stubborn(step: WorkflowContext, part: Any) -> Any:
    try:
        return await play(step, part)
    except asyncio.CancelledError:
        return await step.run_mutation(other, "not canceled")


async def repeated(step: WorkflowContext, part: Any) -> list[Any]:
    return [await play(step, part) for _ in range(step.random.randrange(3))]


async def shielded(step: WorkflowContext, part: Any) -> Any:
    return await asyncio.shield(asyncio.ensure_future(play(step, part)))


async def in_the_background(step: WorkflowContext, part: Any) -> Any:
    asyncio.create_task(play(step, part))  # noqa: RUF006
    return await step.run_action(echo, "meanwhile")


async def one_at_a_time(step: WorkflowContext, part: Any) -> list[Any]:
    limit = asyncio.Semaphore(1)

    async def one() -> Any:
        async with limit:
            return await play(step, part)

    return await asyncio.gather(one(), one(), return_exceptions=True) and ["both"]


Group = Callable[[WorkflowContext, Any], Awaitable[Any]]
GROUPS: dict[str, Group] = {
    function.__name__: function
    for function in (
        in_turn,
        gathered,
        gathered_whatever,
        in_a_group,
        raced,
        as_completed,
        through_a_queue,
        generated,
    )
}
WRAPPERS: dict[str, Group] = {
    function.__name__: function
    for function in (
        limited,
        waited_for,
        caught,
        cleaned_up,
        stubborn,
        repeated,
        shielded,
        in_the_background,
        one_at_a_time,
    )
}
