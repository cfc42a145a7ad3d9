"""The whole asyncio toolbox works in a handler, is durable where it waits, and runs the same on every replay.

What is asked for is written out in full here: it must be the same on every Python, or workflows could not move on.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from django_workflows import UnsupportedInHandler, WorkflowContext
from django_workflows.core.loop import ReplayLoop
from django_workflows.exceptions import InvalidStep, StepFailed

from .steps import CardDeclined, broken, echo
from .world import NOON, World, note, soonest


def last(world: World) -> int:
    """The last step that a worker could run, or else whatever comes soonest."""
    runnable = [record.number for record in world.open if record.due_at is None]
    return runnable[-1] if runnable else soonest(world)


async def work(step: WorkflowContext, label: str, times: int = 2) -> str:
    for turn in range(times):
        note(label, await step.run_action(echo, f"{label}{turn}"))
    return label


async def forever(step: WorkflowContext, label: str) -> None:
    while True:
        note(label, await step.run_action(echo, label))


# -- many at once


def test_gather_runs_coroutines_at_once_and_keeps_their_order() -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        return await asyncio.gather(work(step, "a"), work(step, "b"), step.run_action(echo, "c"))

    for choose in (soonest, last):
        world = World(handler).run(choose)
        assert world.result == ["a", "b", "c"]
        # The coroutines begin once the handler waits for them.
        assert world.asked[:3] == ['echo("c")', 'echo("a0")', 'echo("b0")']
    assert world.asked == ['echo("c")', 'echo("a0")', 'echo("b0")', 'echo("b1")', 'echo("a1")']


def test_gather_of_step_calls_asks_for_all_of_them_in_one_turn() -> None:
    async def handler(step: WorkflowContext) -> list[int]:
        return await asyncio.gather(*[step.run_action(echo, number) for number in range(5)])

    world = World(handler)
    world.turn()
    assert world.asked == [f"echo({number})" for number in range(5)]
    for number in (3, 0, 4, 1, 2):
        world.execute(number)
    world.turn()
    assert world.result == [0, 1, 2, 3, 4]


def test_gather_hands_back_failures_where_it_is_told_to() -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        results = await asyncio.gather(
            step.run_action(broken, "no"), step.run_action(echo, "yes"), return_exceptions=True
        )
        return [str(each) for each in results]

    assert World(handler).run().result == ["no", "yes"]


def test_the_first_failure_leaves_gather_and_the_others_go_on() -> None:
    async def handler(step: WorkflowContext) -> Any:
        sibling = asyncio.ensure_future(work(step, "a"))
        try:
            await asyncio.gather(step.run_action(broken, "no"), sibling)
        except StepFailed as error:
            note(error.message)
        return await sibling

    world = World(handler).run()
    assert world.result == "a"
    assert world.asked == ['broken("no")', 'echo("a0")', 'echo("a1")']


def test_nested_gathers() -> None:
    async def handler(step: WorkflowContext) -> Any:
        async def pair(label: str) -> list[str]:
            return await asyncio.gather(work(step, f"{label}x", 1), work(step, f"{label}y", 1))

        return await asyncio.gather(pair("a"), asyncio.gather(pair("b"), pair("c")))

    world = World(handler).run(last)
    assert world.result == [["ax", "ay"], [["bx", "by"], ["cx", "cy"]]]
    # The inner gather is called first.
    assert world.asked == [f'echo("{name}0")' for name in ("bx", "by", "cx", "cy", "ax", "ay")]


def test_a_task_group_waits_for_all_of_its_tasks() -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work(step, label)) for label in "ab"]
            note(await step.run_action(echo, "in the body"))
        return [task.result() for task in tasks]

    world = World(handler).run(last)
    assert world.result == ["a", "b"]
    assert world.asked == ['echo("in the body")', 'echo("a0")', 'echo("b0")', 'echo("b1")', 'echo("a1")']


def test_a_failure_in_a_task_group_cancels_its_other_tasks_in_the_order_of_their_creation() -> None:
    async def sibling(step: WorkflowContext, number: int) -> None:
        try:
            await step.run_action(echo, number)
        except asyncio.CancelledError:
            await step.run_mutation(echo, f"undo {number}")
            raise

    async def handler(step: WorkflowContext) -> list[str]:
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(sibling(step, number))
                group.create_task(fail(step))
        except* StepFailed as errors:
            messages = [str(error) for error in errors.exceptions]
        return messages

    async def fail(step: WorkflowContext) -> None:
        await step.run_action(broken, "no")

    world = World(handler)
    world.turn()
    world.fail(20, CardDeclined("no"))
    world.turn()
    assert world.asked[21:] == [f'echo("undo {number}")' for number in range(20)]
    assert [record.number for record in world.open] == list(range(21, 41)), "the canceled steps were given up"
    world.run()
    assert world.result == ["no"]


def test_tasks_that_nobody_waits_for_run_while_the_handler_does() -> None:
    async def handler(step: WorkflowContext) -> str:
        background = asyncio.create_task(work(step, "b", 10))
        await step.run_action(echo, "a")
        await step.run_action(echo, "a")
        return f"done: {background.done()}"

    world = World(handler).run(last)
    assert world.result == "done: True"
    assert len(world.asked) == 12
    world = World(handler).run()
    assert world.result == "done: False"
    assert world.asked == ['echo("a")', 'echo("b0")', 'echo("a")', 'echo("b1")']


def test_nothing_runs_once_the_handler_has_returned() -> None:
    async def spin(step: WorkflowContext) -> None:
        while True:
            await asyncio.sleep(0)

    async def handler(step: WorkflowContext) -> str:
        asyncio.create_task(spin(step))  # noqa: RUF006
        asyncio.create_task(work(step, "late"))  # noqa: RUF006
        return "done"

    world = World(handler).run()
    assert world.result == "done"
    assert world.asked == []


# -- whatever comes first


def test_wait_tells_what_came_first_and_the_losers_can_be_canceled() -> None:
    async def handler(step: WorkflowContext) -> str:
        race = {asyncio.create_task(work(step, label), name=label) for label in "abc"}
        done, pending = await asyncio.wait(race, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            note("cancel", task.get_name())
            task.cancel()
        await asyncio.wait(pending)
        return ",".join(task.get_name() for task in done)

    for winner in range(3):
        world = World(handler)
        world.turn()
        world.execute(winner)
        world.turn()
        world.execute(3)
        world.turn()
        assert world.result == "abc"[winner]
        assert [record.state for record in world.journal] == [
            "completed" if number in (winner, 3) else "canceled" for number in range(4)
        ]


def test_wait_with_a_timeout_takes_step_calls_as_they_are() -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        calls = [step.run_action(echo, letter) for letter in "abcd"]
        done, pending = await asyncio.wait(calls, timeout=60)
        note(len(pending))
        return [future.result() for future in calls if future in done]

    world = World(handler)
    world.turn()
    assert world.asked[-1] == "sleep(60.0)"
    world.execute(3)
    world.execute(1)
    world.turn()
    world.let_pass(4)
    world.turn()
    assert world.result == ["b", "d"]


def test_what_ended_in_one_turn_is_still_handed_over_one_at_a_time() -> None:
    async def handler(step: WorkflowContext) -> int:
        done, _ = await asyncio.wait(
            [step.run_action(echo, number) for number in range(3)], return_when=asyncio.FIRST_COMPLETED
        )
        return len(done)

    world = World(handler)
    world.turn()
    for number in (2, 0, 1):
        world.execute(number)
    world.turn()
    assert world.result == 1
    assert [record.delivery for record in world.journal] == [2, 3, 1]


@pytest.mark.parametrize("make", [list, tuple, set, dict.fromkeys, iter], ids=lambda make: make.__name__)
def test_as_completed_gives_step_calls_in_the_order_in_which_they_ended(make: Callable[[Any], Any]) -> None:
    async def handler(step: WorkflowContext) -> list[int]:
        calls = make([step.run_action(echo, number) for number in range(4)])
        return [await first for first in asyncio.as_completed(calls)]

    world = World(handler)
    world.turn()
    for number in (2, 0, 3, 1):
        world.execute(number)
        world.turn()
    assert world.result == [2, 0, 3, 1]


@pytest.mark.parametrize("make", [list, tuple, dict.fromkeys], ids=lambda make: make.__name__)
def test_as_completed_begins_coroutines_in_the_order_in_which_they_are_given(make: Callable[[Any], Any]) -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        coroutines = [work(step, label, 1) for label in "abcdefghijkl"]
        # Sets of coroutines iterate by address: shuffled ones make it certain that no order comes about by chance.
        step.random.shuffle(coroutines)
        for coroutine in coroutines:
            note(coroutine.cr_frame.f_locals["label"])
        return [await first for first in asyncio.as_completed(make(coroutines))]

    world = World(handler)
    world.turn()
    assert world.asked == [f'echo("{label}0")' for label in world.trace]
    world.run(last)
    assert sorted(world.result) == list("abcdefghijkl")


@pytest.mark.parametrize("make", [set, iter], ids=lambda make: make.__name__)
def test_as_completed_refuses_coroutines_whose_order_nobody_can_know(make: Callable[[Any], Any]) -> None:
    made = []

    async def handler(step: WorkflowContext) -> list[str]:
        coroutines = [work(step, label) for label in "ab"]
        made.extend(coroutines)
        return [await first for first in asyncio.as_completed(make(coroutines))]

    world = World(handler)
    world.turn()
    for coroutine in made:
        coroutine.close()
    assert isinstance(world.error, UnsupportedInHandler)
    assert str(world.error) == (
        "asyncio.as_completed() begins coroutines in an order of its own, which no replay could repeat: give it a list "
        "of them, futures of step calls, or tasks (asyncio.create_task)"
    )


def test_as_completed_with_a_timeout() -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        results = []
        try:
            for first in asyncio.as_completed([work(step, "a", 1), work(step, "b", 1)], timeout=30):
                results.append(await first)
        except TimeoutError:
            results.append("timeout")
        return results

    world = World(handler)
    world.turn()
    world.execute(world.asked.index('echo("b0")'))
    world.turn()
    world.let_pass(world.asked.index("sleep(30.0)"))
    world.turn()
    assert world.result == ["b", "timeout"]


# -- time


def test_sleep_is_a_timer_in_the_journal() -> None:
    async def handler(step: WorkflowContext) -> str:
        before = step.now()
        await asyncio.sleep(86_400)
        note(step.now() - before)
        return await asyncio.sleep(0.25, "rested")

    world = World(handler)
    world.turn()
    assert world.asked == ["sleep(86400.0)"]
    assert world.journal[0].due_at == world.now + timedelta(days=1)
    world.pass_time(86_399)
    world.turn()
    assert world.open
    world.run()
    assert world.result == "rested"
    assert world.asked == ["sleep(86400.0)", "sleep(0.25)"]


def test_sleep_of_nothing_lets_others_run_and_waits_for_nothing() -> None:
    async def say(label: str) -> None:
        for _ in range(3):
            note(label)
            await asyncio.sleep(0)

    async def handler(step: WorkflowContext) -> None:
        await asyncio.gather(say("a"), say("b"), asyncio.sleep(-1))
        await step.run_action(echo, 1)

    world = World(handler)
    world.turn()
    assert world.asked == ["echo(1)"]
    assert world.trace == ["a", "b", "a", "b", "a", "b"]


@pytest.mark.parametrize("seconds", [float("inf"), 1e300, 3600 * 24 * 365 * 6000])
def test_a_timer_that_no_calendar_holds_is_refused(seconds: float) -> None:
    async def handler(step: WorkflowContext) -> None:
        await asyncio.sleep(seconds)

    world = World(handler)
    world.turn()
    assert isinstance(world.error, InvalidStep)
    assert "between 0 and 5,000 years" in str(world.error)


async def limited(step: WorkflowContext, wait: Callable[[WorkflowContext], Any]) -> Any:
    try:
        return await wait(step)
    except TimeoutError:
        note(step.now())
        return await step.run_action(echo, "too late")


async def with_timeout(step: WorkflowContext) -> Any:
    async with asyncio.timeout(60):
        return await work(step, "a")


async def with_timeout_at(step: WorkflowContext) -> Any:
    async with asyncio.timeout_at(step.now().timestamp() + 60):
        return await work(step, "a")


async def with_loop_time(step: WorkflowContext) -> Any:
    async with asyncio.timeout_at(asyncio.get_running_loop().time() + 60):
        return await work(step, "a")


async def with_wait_for(step: WorkflowContext) -> Any:
    return await asyncio.wait_for(work(step, "a"), 60)


async def rescheduled(step: WorkflowContext) -> Any:
    async with asyncio.timeout(None) as limit:
        limit.reschedule(asyncio.get_running_loop().time() + 60)
        return await work(step, "a")


TIMEOUTS = [with_timeout, with_timeout_at, with_loop_time, with_wait_for, rescheduled]


@pytest.mark.parametrize("wait", TIMEOUTS, ids=lambda wait: wait.__name__)
def test_a_timeout_that_is_not_reached_is_given_up(wait: Callable[..., Any]) -> None:
    async def handler(step: WorkflowContext) -> Any:
        return await limited(step, wait)

    world = World(handler)
    world.turn()
    world.execute(1)
    world.turn()
    world.execute(2)
    world.turn()
    assert world.result == "a"
    assert world.asked == ["sleep(60.0)", 'echo("a0")', 'echo("a1")']
    assert world.journal[0].state == "canceled"


@pytest.mark.parametrize("wait", TIMEOUTS, ids=lambda wait: wait.__name__)
def test_a_timeout_that_is_reached_gives_up_the_step_that_was_too_slow(wait: Callable[..., Any]) -> None:
    async def handler(step: WorkflowContext) -> Any:
        return await limited(step, wait)

    world = World(handler)
    world.turn()
    world.execute(1)
    world.turn()
    world.let_pass(0)
    world.turn()
    assert world.journal[2].state == "canceled"
    world.run()
    assert world.result == "too late"
    assert world.asked == ["sleep(60.0)", 'echo("a0")', 'echo("a1")', 'echo("too late")']
    # Seconds since 1970 are floats: the timer must not carry their rounding errors.
    assert world.journal[0].args == '{"seconds":60.0}'


@pytest.mark.parametrize("first", ["step", "timer"])
def test_a_step_and_its_timeout_that_end_in_one_turn_are_told_apart_by_their_order(first: str) -> None:
    async def handler(step: WorkflowContext) -> str:
        try:
            async with asyncio.timeout(60):
                return await step.run_action(echo, "in time")
        except TimeoutError:
            return "too late"

    world = World(handler)
    world.turn()
    if first == "step":
        world.execute(1)
        world.pass_time(60)
    else:
        world.pass_time(60)
        world.execute(1)
    world.turn()
    assert world.result == ("in time" if first == "step" else "too late")


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_timeout_of_nothing_is_over_at_once(seconds: int) -> None:
    async def handler(step: WorkflowContext) -> str:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return "over"
        return ""

    world = World(handler)
    world.turn()
    assert world.result == "over"
    assert world.asked == []


def test_timeouts_within_timeouts() -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        said = []
        try:
            async with asyncio.timeout(100):
                try:
                    async with asyncio.timeout(10):
                        await step.run_action(echo, 1)
                except TimeoutError:
                    said.append("inner")
                await step.run_action(echo, 2)
        except TimeoutError:
            said.append("outer")
        return said

    world = World(handler)
    world.turn()
    assert world.asked == ["sleep(100.0)", "sleep(10.0)", "echo(1)"]
    world.let_pass(1)
    world.turn()
    world.let_pass(0)
    world.turn()
    assert world.result == ["inner", "outer"]


def test_call_later_and_call_at_are_durable_too() -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        loop, said, over = asyncio.get_running_loop(), [], asyncio.Event()
        loop.call_later(10, said.append, "later")
        loop.call_at(loop.time() + 20, over.set)
        never = loop.call_later(15, said.append, "never")
        loop.call_soon(said.append, "soon")
        await asyncio.sleep(0)
        never.cancel()
        never.cancel()
        await over.wait()
        return said

    world = World(handler).run()
    assert world.result == ["soon", "later"]
    assert [record.state for record in world.journal] == ["completed", "completed", "canceled"]


# -- synchronization


def test_queue_feeds_workers() -> None:
    async def worker(step: WorkflowContext, queue: asyncio.Queue[int]) -> None:
        while True:
            number = await queue.get()
            note(await step.run_action(echo, number))
            queue.task_done()

    async def handler(step: WorkflowContext) -> str:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
        workers = [asyncio.create_task(worker(step, queue)) for _ in range(2)]
        for number in range(6):
            await queue.put(number)
        await queue.join()
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return "empty"

    for choose in (soonest, last):
        world = World(handler).run(choose)
        assert world.result == "empty"
        assert world.asked == [f"echo({number})" for number in range(6)]


@pytest.mark.parametrize("kind", [asyncio.PriorityQueue, asyncio.LifoQueue])
def test_other_queues(kind: type[asyncio.Queue[int]]) -> None:
    async def handler(step: WorkflowContext) -> list[int]:
        queue = kind()
        await asyncio.gather(*[put(step, queue, number) for number in (3, 1, 2)])
        return [queue.get_nowait() for _ in range(3)]

    async def put(step: WorkflowContext, queue: asyncio.Queue[int], number: int) -> None:
        await queue.put(await step.run_action(echo, number))

    expected = [1, 2, 3] if kind is asyncio.PriorityQueue else [3, 1, 2]
    assert World(handler).run(last).result == expected


def test_event_wakes_all_that_wait() -> None:
    async def waiter(step: WorkflowContext, ready: asyncio.Event, label: str) -> str:
        await ready.wait()
        return await step.run_action(echo, label)

    async def handler(step: WorkflowContext) -> list[str]:
        ready = asyncio.Event()
        waiters = [asyncio.create_task(waiter(step, ready, label)) for label in "abc"]
        await step.run_action(echo, "first")
        ready.set()
        return await asyncio.gather(*waiters)

    world = World(handler).run(last)
    assert world.result == ["a", "b", "c"]
    assert world.asked == ['echo("first")', 'echo("a")', 'echo("b")', 'echo("c")']


@pytest.mark.parametrize("kind", [asyncio.Semaphore, asyncio.BoundedSemaphore])
def test_semaphore_limits_how_many_steps_are_open(kind: type[asyncio.Semaphore]) -> None:
    async def one(step: WorkflowContext, limit: asyncio.Semaphore, number: int) -> int:
        async with limit:
            return await step.run_action(echo, number)

    async def handler(step: WorkflowContext) -> list[int]:
        limit = kind(3)
        return await asyncio.gather(*[one(step, limit, number) for number in range(10)])

    open_at_once = []

    def choose(world: World) -> int:
        open_at_once.append(len(world.open))
        return last(world)

    world = World(handler).run(choose)
    assert world.result == list(range(10))
    assert world.asked == [f"echo({number})" for number in range(10)], "first come, first served"
    assert max(open_at_once) == 3


def test_lock_and_condition() -> None:
    async def consumer(step: WorkflowContext, condition: asyncio.Condition, stock: list[int]) -> int:
        async with condition:
            await condition.wait_for(lambda: stock)
            return await step.run_action(echo, stock.pop())

    async def producer(step: WorkflowContext, condition: asyncio.Condition, stock: list[int]) -> None:
        for number in range(3):
            made = await step.run_action(echo, 10 * number)
            async with condition:
                stock.append(made)
                condition.notify()

    async def handler(step: WorkflowContext) -> list[int]:
        condition, stock = asyncio.Condition(asyncio.Lock()), []
        consumers = [consumer(step, condition, stock) for _ in range(3)]
        *taken, _ = await asyncio.gather(*consumers, producer(step, condition, stock))
        return taken

    for choose in (soonest, last):
        world = World(handler).run(choose)
        assert sorted(world.result) == [0, 10, 20]


def test_barrier() -> None:
    async def walker(step: WorkflowContext, barrier: asyncio.Barrier, number: int) -> int:
        await step.run_action(echo, number)
        await barrier.wait()
        return await step.run_action(echo, -number)

    async def handler(step: WorkflowContext) -> list[int]:
        barrier = asyncio.Barrier(3)
        return await asyncio.gather(*[walker(step, barrier, number) for number in (1, 2, 3)])

    world = World(handler).run(last)
    assert world.result == [-1, -2, -3]
    assert {"echo(-1)", "echo(-2)", "echo(-3)"} == set(world.asked[3:])


# -- tasks


def test_a_sibling_that_is_canceled_can_clean_up() -> None:
    async def sibling(step: WorkflowContext) -> str:
        try:
            await step.run_action(echo, "slow")
        except asyncio.CancelledError as error:
            note(str(error))
            await step.run_mutation(echo, "undo")
        finally:
            await step.run_mutation(echo, "close")
        return "cleaned up"

    async def handler(step: WorkflowContext) -> str:
        task = asyncio.create_task(sibling(step))
        await step.run_action(echo, "quick")
        task.cancel("enough")
        return await task

    world = World(handler)
    world.turn()
    world.execute(0)
    world.turn()
    assert world.journal[1].state == "canceled"
    world.run()
    assert world.result == "cleaned up"
    assert world.asked == ['echo("quick")', 'echo("slow")', 'echo("undo")', 'echo("close")']


def test_shield_keeps_a_step_from_being_given_up() -> None:
    async def handler(step: WorkflowContext) -> str:
        payment = step.run_action(echo, "paid")
        try:
            async with asyncio.timeout(5):
                await asyncio.shield(payment)
        except TimeoutError:
            note("still paying")
        return await payment

    world = World(handler)
    world.turn()
    world.let_pass(1)
    world.turn()
    assert world.journal[0].state == "queued"
    world.execute(0)
    world.turn()
    assert world.result == "paid"


def test_canceling_the_future_of_a_step_gives_it_up() -> None:
    async def handler(step: WorkflowContext) -> list[bool]:
        future = step.run_action(echo, 1)
        facts = [future.cancel(), future.cancel(), future.cancelled()]
        kept = step.run_action(echo, 2)
        await kept
        return [*facts, kept.cancel()]

    world = World(handler)
    world.turn()
    assert [record.state for record in world.journal] == ["canceled", "queued"]
    assert world.run().result == [True, False, True, False]


def test_an_outcome_that_comes_too_late_for_its_step_changes_nothing() -> None:
    async def handler(step: WorkflowContext) -> str:
        slow = step.run_action(echo, "slow")
        await step.run_action(echo, "quick")
        slow.cancel()
        return await step.run_action(echo, "next")

    world = World(handler)
    world.turn()
    world.execute(1)
    world.execute(0)
    world.turn()
    assert world.journal[0].delivery == 2
    assert world.run().result == "next"


def test_each_task_has_its_own_context_variables() -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    async def as_user(step: WorkflowContext, name: str) -> str:
        user.set(name)
        await step.run_action(echo, name)
        asyncio.get_running_loop().call_soon(note, "callback of", name)
        return user.get()

    async def handler(step: WorkflowContext) -> list[str]:
        user.set("admin")
        names = await asyncio.gather(as_user(step, "ada"), as_user(step, "bob"))
        special = contextvars.copy_context()
        special.run(user.set, "special")
        names.append(await asyncio.create_task(read(step), context=special))
        return [*names, user.get()]

    async def read(step: WorkflowContext) -> str:
        await step.run_action(echo, "read")
        return user.get()

    assert World(handler).run(last).result == ["ada", "bob", "special", "admin"]
    assert user.get() == "nobody", "a handler's context is its own"


def test_tasks_have_the_same_names_on_every_replay() -> None:
    async def handler(step: WorkflowContext) -> None:
        tasks = [asyncio.create_task(step_name(step)) for _ in range(3)]
        await asyncio.gather(*tasks, asyncio.create_task(step_name(step), name="mine"))

    async def step_name(step: WorkflowContext) -> None:
        task = asyncio.current_task()
        assert task is not None
        await step.run_action(echo, task.get_name())

    world = World(handler).run()
    assert world.asked == ['echo("Task-2")', 'echo("Task-3")', 'echo("Task-4")', 'echo("mine")']


def test_sets_of_futures_and_tasks_iterate_the_same_on_every_replay() -> None:
    async def handler(step: WorkflowContext) -> None:
        async def idle() -> None:
            await asyncio.Event().wait()

        things: dict[Any, int] = {}
        for number in range(60):
            junk = [object() for _ in range(step.random.randrange(50))]
            makers = [
                lambda: asyncio.create_task(idle()),
                asyncio.get_running_loop().create_future,
                lambda number=number: step.run_action(echo, number),
                lambda: asyncio.shield(asyncio.get_running_loop().create_future()),
                lambda: asyncio.gather(asyncio.create_task(idle()), asyncio.create_task(idle())),
                lambda number=number: asyncio.gather(step.run_action(echo, -number)),
                asyncio.gather,
            ]
            things[makers[number % 7]()] = number
            del junk
        note([things[each] for each in set(things)])
        note([things[each] for each in frozenset(list(things)[10:30])])
        await asyncio.Event().wait()

    orders = set()
    for _ in range(5):
        world = World(handler)
        world.turn()
        orders.add(repr(world.trace))
        world.crash()
    assert len(orders) == 1


def test_gathers_of_other_loops_are_as_they_were() -> None:
    async def main() -> None:
        one, two = asyncio.gather(asyncio.sleep(0)), asyncio.gather(asyncio.sleep(0))
        assert hash(one) == object.__hash__(one)
        assert {one, two} == {two, one}
        await asyncio.wait({one, two})

    asyncio.run(main())


# -- async generators and context managers


def test_async_generators_and_context_managers() -> None:
    async def pages(step: WorkflowContext) -> AsyncIterator[str]:
        for number in range(3):
            yield await step.run_action(echo, f"page {number}")

    @asynccontextmanager
    async def booking(step: WorkflowContext) -> AsyncIterator[str]:
        reference = await step.run_mutation(echo, "book")
        try:
            yield reference
        finally:
            await step.run_mutation(echo, "release")

    async def handler(step: WorkflowContext) -> list[str]:
        async with booking(step):
            return [page async for page in pages(step)]

    world = World(handler).run()
    assert world.result == ["page 0", "page 1", "page 2"]
    assert world.asked == ['echo("book")', *[f'echo("page {number}")' for number in range(3)], 'echo("release")']


async def endless(step: WorkflowContext) -> AsyncIterator[int]:
    number = 0
    try:
        while True:
            yield await step.run_action(echo, number)
            number += 1
    finally:
        note(await step.run_mutation(echo, "closed"))


def test_an_async_generator_that_is_left_is_closed_by_the_loop() -> None:
    async def handler(step: WorkflowContext) -> str:
        async for number in endless(step):
            if number == 1:
                break
        return await step.run_action(echo, "after")

    world = World(handler).run(last)
    assert world.result == "after"
    assert world.asked == ["echo(0)", "echo(1)", 'echo("after")', 'echo("closed")']


def test_an_async_generator_that_is_closed_by_hand() -> None:
    async def handler(step: WorkflowContext) -> str:
        async with aclosing(endless(step)) as numbers:
            async for number in numbers:
                if number == 1:
                    break
        return await step.run_action(echo, "after")

    assert World(handler).run().asked == ["echo(0)", "echo(1)", 'echo("closed")', 'echo("after")']


def test_the_garbage_collector_decides_nothing() -> None:
    async def handler(step: WorkflowContext) -> None:
        async def lost() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await step.run_mutation(echo, "never")

        generator = endless(step)
        await anext(generator)
        cycle: list[Any] = [generator]
        cycle.append(cycle)
        del cycle, generator
        asyncio.create_task(lost())  # noqa: RUF006
        for number in range(3):
            await step.run_action(echo, f"{number}")
            # As many objects as make Python collect its garbage.
            note(len([[] for _ in range(100_000)]))

    calm = World(handler).run()
    world = World(handler)
    while world.ending is None:
        world.turn()
        gc.collect()
        if world.ending is None:
            world.advance(soonest(world))
    assert world.asked == calm.asked == ["echo(0)", 'echo("0")', 'echo("1")', 'echo("2")']


def test_the_garbage_collector_is_left_as_it_was() -> None:
    async def handler(step: WorkflowContext) -> bool:
        return gc.isenabled()

    assert gc.isenabled()
    assert World(handler).run().result is False
    assert gc.isenabled()
    gc.disable()
    try:
        World(handler).run()
        assert not gc.isenabled()
    finally:
        gc.enable()


# -- beside another event loop


def test_a_handler_can_run_while_another_event_loop_does() -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        async for number in endless(step):
            if number == 1:
                break
        assert isinstance(asyncio.get_running_loop(), ReplayLoop)
        return await asyncio.gather(work(step, "a"), work(step, "b"))

    async def outside() -> Any:
        async def ticks() -> AsyncIterator[int]:
            yield 1
            yield 2

        async for _ in ticks():
            break
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        result = World(handler).run().result
        assert (asyncio.get_running_loop(), asyncio.current_task()) == (loop, task)
        await asyncio.sleep(0)
        return result

    assert asyncio.run(outside()) == ["a", "b"]


# -- what is refused


async def in_a_thread(step: WorkflowContext) -> None:
    await asyncio.to_thread(print)


async def in_an_executor(step: WorkflowContext) -> None:
    await asyncio.get_running_loop().run_in_executor(None, print)


async def through_asgiref(step: WorkflowContext) -> None:
    await sync_to_async(print)()


async def open_a_connection(step: WorkflowContext) -> None:
    await asyncio.open_connection("localhost", 80)


async def open_a_server(step: WorkflowContext) -> None:
    await asyncio.start_server(lambda reader, writer: None, "localhost", 0)


async def look_up_a_name(step: WorkflowContext) -> None:
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)


async def start_a_program(step: WorkflowContext) -> None:
    await asyncio.create_subprocess_exec("true")


async def start_a_shell(step: WorkflowContext) -> None:
    await asyncio.create_subprocess_shell("true")


async def listen_to_signals(step: WorkflowContext) -> None:
    asyncio.get_running_loop().add_signal_handler(15, print)


async def call_from_a_thread(step: WorkflowContext) -> None:
    asyncio.get_running_loop().call_soon_threadsafe(print)


async def watch_a_file(step: WorkflowContext) -> None:
    asyncio.get_running_loop().add_reader(0, print)


async def run_the_loop(step: WorkflowContext) -> None:
    asyncio.get_running_loop().run_forever()


async def close_the_loop(step: WorkflowContext) -> None:
    asyncio.get_running_loop().close()


async def make_tasks_eager(step: WorkflowContext) -> None:
    asyncio.get_running_loop().set_task_factory(None)


async def set_an_executor(step: WorkflowContext) -> None:
    asyncio.get_running_loop().set_default_executor(None)  # type: ignore[arg-type]


async def handle_exceptions(step: WorkflowContext) -> None:
    asyncio.get_running_loop().set_exception_handler(None)


@pytest.mark.parametrize(
    ("handler", "refused", "instead"),
    [
        (in_a_thread, "run_in_executor", "await step.run_query, step.run_mutation or step.run_action"),
        (in_an_executor, "run_in_executor", "await step.run_query, step.run_mutation or step.run_action"),
        (through_asgiref, "run_in_executor", "sync_to_async"),
        (open_a_connection, "create_connection", "a function run by step.run_action"),
        (open_a_server, "create_server", "send the workflow an event"),
        (look_up_a_name, "getaddrinfo", "a function run by step.run_action"),
        (start_a_program, "subprocess_exec", "a function run by step.run_action"),
        (start_a_shell, "subprocess_shell", "a function run by step.run_action"),
        (listen_to_signals, "add_signal_handler", "send the workflow an event"),
        (call_from_a_thread, "call_soon_threadsafe", "send the workflow an event"),
        (watch_a_file, "add_reader", "a function run by step.run_action"),
        (run_the_loop, "run_forever", "the workflow engine runs this loop"),
        (close_the_loop, "close", "the workflow engine runs this loop"),
        (make_tasks_eager, "set_task_factory", "the workflow engine runs this loop"),
        (set_an_executor, "set_default_executor", "the workflow engine runs this loop"),
        (handle_exceptions, "set_exception_handler", "the workflow engine runs this loop"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_reaches_outside_is_refused_and_the_error_says_what_to_use(
    handler: Callable[..., Any], refused: str, instead: str
) -> None:
    world = World(handler)
    world.turn()
    assert isinstance(world.error, UnsupportedInHandler)
    assert str(world.error).startswith(f"loop.{refused}() is not possible in a workflow handler: ")
    assert instead in str(world.error)


def test_nothing_of_an_event_loop_is_left_unanswered() -> None:
    abstract = {name for name in dir(asyncio.AbstractEventLoop) if not name.startswith("_")}
    inherited = {name for name in abstract if getattr(ReplayLoop, name) is getattr(asyncio.AbstractEventLoop, name)}
    assert not inherited


def test_a_refusal_can_be_caught_and_the_handler_goes_on() -> None:
    async def handler(step: WorkflowContext) -> str:
        try:
            await asyncio.to_thread(print)
        except UnsupportedInHandler:
            return await step.run_action(echo, "a step instead")
        return ""

    assert World(handler).run().result == "a step instead"


def test_the_loop_knows_the_recorded_time_only() -> None:
    async def handler(step: WorkflowContext) -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        await step.run_action(echo, 1)
        return [*times, loop.time()]

    world = World(handler)
    world.turn()
    world.pass_time(100)
    world.execute(0)
    world.turn()
    began, ended = world.result
    assert began == (NOON + timedelta(seconds=0.001)).timestamp()
    assert ended == world.now.timestamp()
