"""A handler and its journal lead to the same requests and the same ending, every time, or say where they part."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from django_workflows import DeterminismViolation, StepFailed, WorkflowContext
from django_workflows.core.commands import Outcome, Raised
from django_workflows.core.journal import Failure, StepKind, StepRecord, undelivered
from django_workflows.core.limits import Limits
from django_workflows.core.loop import ReplayLoop
from django_workflows.core.outcomes import CANCELED_TYPE, TIMEOUT_TYPE, exception_of, failure_of
from django_workflows.core.replay import Replay
from django_workflows.exceptions import (
    ChildWorkflowCanceled,
    ChildWorkflowFailed,
    EventFailed,
    HandlerStuck,
    InvalidArguments,
    InvalidPayload,
    WorkflowError,
)

from .steps import CardDeclined, Place, broken, echo, find, other
from .world import NOON, WORKFLOW_ID, Handler, World, note, withdrawn


async def two_steps(step: WorkflowContext) -> str:
    first = await step.run_action(echo, "a")
    return first + await step.run_mutation(other, "b")


def recorded(handler: Handler, *turns: Callable[[World], None]) -> World:
    """A workflow that has taken a first turn, and one more after each of the things that happened."""
    world = World(handler)
    world.turn()
    for happen in turns:
        happen(world)
        world.turn()
    world.crash()
    return world


def executed(number: int) -> Callable[[World], None]:
    return lambda world: world.execute(number)


def led(world: World, handler: Handler) -> Replay:
    """Another handler, led through the journal of ``world``."""
    changed = World(handler)
    changed.started_at = world.started_at
    replay = changed.handler()
    changed.lead(replay, [dataclasses.replace(record) for record in world.journal], world.canceled_at)
    return replay


def violation(world: World, handler: Handler) -> DeterminismViolation:
    """What another handler says to the journal of ``world``."""
    with pytest.raises(DeterminismViolation) as raised:
        led(world, handler)
    return raised.value


# -- one handler, one journal


def test_a_handler_that_asks_for_nothing_ends_in_its_first_turn() -> None:
    async def returns(step: WorkflowContext, name: str) -> str:
        return f"hello {name}"

    async def raises(step: WorkflowContext) -> None:
        raise CardDeclined("no")

    assert World(returns, "you").run().result == "hello you"
    assert isinstance(World(raises).run().error, CardDeclined)


def test_numbers_are_given_in_the_order_of_the_calls() -> None:
    async def handler(step: WorkflowContext) -> list[str]:
        second = step.run_action(echo, "called first")
        first = step.run_action(echo, "awaited first")
        return [await first, await second]

    world = World(handler).run()
    assert world.asked == ['echo("called first")', 'echo("awaited first")']
    assert [record.number for record in world.journal] == [0, 1]


def test_a_turn_that_was_not_written_is_taken_again_the_same() -> None:
    async def handler(step: WorkflowContext) -> list[Any]:
        calls = [step.run_action(echo, step.random.random()) for _ in range(3)]
        done, pending = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        for future in pending:
            future.cancel()
        return [await step.run_action(other, str(step.uuid4())), len(done)]

    world = World(handler)
    for happen in (lambda: None, lambda: world.execute(1), lambda: world.execute(3)):
        happen()
        at = world.now
        lost = world.begin()
        world.crash()
        world.now, world.ending = at, None
        again = world.begin()
        assert again == lost
        world.write(again)


def test_processes_that_take_turns_by_turns_come_to_the_same_as_one() -> None:
    async def handler(step: WorkflowContext) -> list[Any]:
        async def branch(label: str) -> list[Any]:
            return [await step.run_action(echo, f"{label}{step.random.randrange(99)}") for _ in range(4)]

        try:
            async with asyncio.timeout(3600):
                return [*await asyncio.gather(branch("a"), branch("b")), str(step.uuid4())]
        finally:
            await step.run_mutation(other, step.now().isoformat())

    alone = World(handler).run()
    together = World(handler).run(processes=("first", "second", "third"))
    assert together.asked == alone.asked
    assert together.result == alone.result


def test_a_handler_that_lags_behind_catches_up_with_what_another_process_recorded() -> None:
    async def handler(step: WorkflowContext) -> str:
        for number in range(3):
            note(await step.run_action(echo, number), step.now())
        return "done"

    world = World(handler)
    world.turn("slow")
    for number in range(2):
        world.execute(number)
        world.turn("quick")
    slow = world.alive["slow"]
    assert slow.delivered == 0
    world.lead(slow, world.load(slow))
    assert world.place(slow) == world.place(world.alive["quick"])
    assert not slow.take().asks
    world.run(processes=("slow",))
    assert world.result == "done"


def test_outcomes_are_handed_over_in_the_recorded_order_and_not_by_number() -> None:
    async def handler(step: WorkflowContext) -> list[int]:
        order: list[int] = []

        async def watch(number: int) -> None:
            order.append(await step.run_action(echo, number))

        await asyncio.gather(*[watch(number) for number in range(4)])
        return order

    world = recorded(handler, executed(2), executed(0), executed(3), executed(1))
    replay = led(world, handler)
    assert repr(replay.ending()) == "Succeeded(value=[2, 0, 3, 1])"


def test_undelivered_steps_come_in_the_order_in_which_they_ended() -> None:
    records = [
        StepRecord(0, StepKind.ACTION, "a", "{}", "completed", delivery=1, finished_at=NOON),
        StepRecord(1, StepKind.ACTION, "b", "{}", "completed", finished_at=NOON + timedelta(seconds=2)),
        StepRecord(2, StepKind.ACTION, "c", "{}", "failed", finished_at=NOON + timedelta(seconds=1)),
        StepRecord(3, StepKind.ACTION, "d", "{}", "canceled", finished_at=NOON),
        StepRecord(4, StepKind.ACTION, "e", "{}", "running"),
        StepRecord(5, StepKind.PATCH, "f", "{}", "completed", finished_at=NOON),
        StepRecord(6, StepKind.SLEEP, "g", "{}", "completed", finished_at=NOON + timedelta(seconds=1)),
        StepRecord(7, StepKind.SLEEP, "h", "{}", "completed", finished_at=None),
    ]
    assert [record.name for record in undelivered(records)] == ["c", "g", "b", "h"]


def test_what_was_given_up_is_not_given_up_again_by_a_replay() -> None:
    async def handler(step: WorkflowContext) -> None:
        async with asyncio.timeout(60):
            await step.run_action(echo, 1)
        await step.run_action(echo, 2)

    world = recorded(handler, executed(1))
    assert world.journal[0].state == "canceled"
    assert led(world, handler).take().dropped == []


def test_code_that_gives_up_what_older_code_did_not_is_heard() -> None:
    async def old(step: WorkflowContext) -> None:
        background = step.run_action(echo, 1)
        await step.run_action(echo, 2)
        await background

    async def new(step: WorkflowContext) -> None:
        background = step.run_action(echo, 1)
        await step.run_action(echo, 2)
        background.cancel()
        await step.run_action(echo, 3)

    world = World(old)
    world.turn()
    world.execute(1)
    world.turn()
    replay = World(new).handler()
    records = [dataclasses.replace(record) for record in world.journal]
    records[1].delivery = None
    replay.catch_up(records)
    replay.take()
    replay.deliver(Outcome(1, "2"), world.now)
    assert replay.take().dropped == [0]
    assert violation(world, new).number == 2


def test_a_canceled_step_of_the_journal_that_nobody_gave_up_just_never_ends() -> None:
    world = recorded(two_steps)
    world.journal[0].state = "canceled"
    replay = led(world, two_steps)
    assert list(replay.open) == [0]
    assert replay.ending() is None


def test_inline_steps_and_events_that_are_there_are_handed_over_within_the_turn() -> None:
    async def handler(step: WorkflowContext) -> Any:
        inline = step.with_options(inline=True)
        first = await inline.run_query(echo, 1)
        news = await step.await_event("news")
        second = await inline.run_mutation(echo, first + 1)
        return [news, second, str(await step.create_event("reply"))]

    world = World(handler)
    world.send_event("news", {"rain": True})
    world.turn()
    assert world.result == [{"rain": True}, 2, "00000000-0000-0000-0000-000000000003"]
    assert [record.delivery for record in world.journal] == [1, 2, 3, 4]


def test_an_event_and_its_timeout() -> None:
    async def handler(step: WorkflowContext) -> Any:
        try:
            return await step.await_event("approval", timeout=timedelta(days=3))
        except TimeoutError as error:
            return type(error).__name__

    in_time, late = World(handler), World(handler)
    for world in (in_time, late):
        world.turn()
        assert world.asked == ["approval(259200.0)"]
    in_time.send_event("approval", "yes")
    late.let_pass(0)
    for world in (in_time, late):
        world.turn()
    assert (in_time.result, late.result) == ("yes", "TimeoutError")


# -- what the journal and the handler must agree on


async def another_function(step: WorkflowContext) -> None:
    await step.run_action(other, "a")


async def another_kind(step: WorkflowContext) -> None:
    await step.run_query(echo, "a")


async def other_arguments(step: WorkflowContext) -> None:
    await step.run_action(echo, "b")


async def another_name(step: WorkflowContext) -> None:
    await step.with_options(name="renamed").run_action(echo, "a")


async def a_sleep_instead(step: WorkflowContext) -> None:
    await asyncio.sleep(5)


ECHO = 'action tests.core.steps.echo {"value":"a"}'


@pytest.mark.parametrize(
    ("handler", "asked"),
    [
        (another_function, 'action tests.core.steps.other {"value":"a"}'),
        (another_kind, 'query tests.core.steps.echo {"value":"a"}'),
        (other_arguments, 'action tests.core.steps.echo {"value":"b"}'),
        (another_name, 'action renamed {"value":"a"}'),
        (a_sleep_instead, 'sleep sleep {"seconds":5.0}'),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_another_step_than_the_recorded_one_is_shown_side_by_side(handler: Handler, asked: str) -> None:
    error = violation(recorded(two_steps), handler)
    assert (error.number, error.recorded, error.asked) == (0, ECHO, asked)
    assert str(error) == (
        f"step 0: the journal recorded {ECHO}, the code asks for {asked}. The code changed under a running workflow: "
        "deploy code that matches the journal, guard the change with step.patched(), or restart the workflow from an "
        "earlier step."
    )


def test_a_step_that_was_not_recorded() -> None:
    async def one_more(step: WorkflowContext) -> None:
        step.run_action(echo, "a")
        step.run_action(other, "new")
        await asyncio.Event().wait()

    error = violation(recorded(two_steps), one_more)
    assert (error.number, error.recorded) == (1, None)
    assert error.asked == 'action tests.core.steps.other {"value":"new"}'
    assert "step 1: the journal recorded nothing, the code asks for action tests.core.steps.other" in str(error)


def test_a_recorded_step_that_the_code_never_asks_for() -> None:
    async def one_less(step: WorkflowContext) -> str:
        return await step.run_action(echo, "a")

    error = violation(recorded(two_steps, executed(0)), one_less)
    assert (error.number, error.asked) == (1, None)
    assert error.recorded == 'mutation tests.core.steps.other {"value":"b"}'
    assert "the code asks for nothing" in str(error)


def test_an_outcome_that_was_handed_over_before_the_code_asks_for_the_step() -> None:
    async def both(step: WorkflowContext) -> None:
        await asyncio.gather(step.run_action(echo, "a"), step.run_action(echo, "b"))

    async def one_by_one(step: WorkflowContext) -> None:
        await step.run_action(echo, "a")
        await step.run_action(echo, "b")

    error = violation(recorded(both, executed(1)), one_by_one)
    assert (error.number, error.asked) == (1, None)
    assert error.recorded == 'action tests.core.steps.echo {"value":"b"}'


def test_a_journal_with_a_gap() -> None:
    world = recorded(two_steps, executed(0))
    del world.journal[0]
    error = violation(world, two_steps)
    assert (error.number, error.recorded, error.asked) == (0, None, ECHO)


def test_an_ending_before_its_time() -> None:
    async def impatient(step: WorkflowContext) -> str:
        return "done already"

    assert violation(recorded(two_steps), impatient).number == 0


def test_the_order_of_calls_counts() -> None:
    async def forwards(step: WorkflowContext) -> None:
        await asyncio.gather(step.run_action(echo, 1), step.run_action(echo, 2))

    async def backwards(step: WorkflowContext) -> None:
        await asyncio.gather(step.run_action(echo, 2), step.run_action(echo, 1))

    assert violation(recorded(forwards), backwards).number == 0


def test_long_arguments_are_shown_shortened() -> None:
    async def long(step: WorkflowContext) -> None:
        await step.run_action(echo, "x" * 1000)

    async def longer(step: WorkflowContext) -> None:
        await step.run_action(echo, "x" * 1001)

    error = violation(recorded(long), longer)
    assert error.asked is not None
    assert error.asked.endswith("x...")
    assert len(error.asked) < 250


def test_arguments_are_compared_as_json_values() -> None:
    async def handler(step: WorkflowContext) -> None:
        await step.run_action(echo, {"a": 1, "b": [True, None]})

    world = recorded(handler)
    world.journal[0].args = '{ "value": {"b": [true, null], "a": 1} }'
    assert led(world, handler).open
    for changed in ('{"value":{"a":1.0,"b":[true,null]}}', '{"value":{"a":true,"b":[1,null]}}', '{"value":NaN}', "["):
        world.journal[0].args = changed
        assert violation(world, handler).recorded == f"action tests.core.steps.echo {changed}"


def test_unstable_arguments_are_not_compared_but_kind_and_name_are() -> None:
    async def handler(step: WorkflowContext) -> Any:
        return await step.with_options(unstable_args=True).run_action(echo, object_number())

    async def renamed(step: WorkflowContext) -> None:
        await step.with_options(unstable_args=True).run_action(other, 1)

    numbers = iter(range(100))

    def object_number() -> int:
        return next(numbers)

    world = World(handler).run()
    assert world.result == 0
    assert violation(world, renamed).number == 0
    assert violation(world, two_steps).number == 0, "it is the code of now that says whether they count"


def test_options_that_do_not_change_what_is_done_may_change() -> None:
    async def patient(step: WorkflowContext) -> Any:
        options = step.with_options(retry=True, timeout=10, priority=5, queue="slow", run_after=3)
        return await options.run_action(echo, "a")

    async def plain(step: WorkflowContext) -> Any:
        return await step.run_action(echo, "a")

    assert led(recorded(patient), plain).open
    assert led(recorded(plain), patient).open


def test_a_handler_that_catches_the_violation_cannot_go_on() -> None:
    def catching(error_type: type[BaseException]) -> Handler:
        async def handler(step: WorkflowContext) -> str:
            for letter in "xyz":
                try:
                    await step.run_action(echo, letter)
                except error_type:
                    note("caught")
            return "as if nothing had happened"

        return handler

    world = recorded(two_steps)
    for error_type in (DeterminismViolation, BaseException):
        changed = World(catching(error_type))
        changed.started_at = world.started_at
        replay = changed.handler()
        with pytest.raises(DeterminismViolation) as raised:
            changed.lead(replay, world.load(replay))
        assert raised.value.asked == 'action tests.core.steps.echo {"value":"x"}'
        assert changed.traces[replay] == ["caught"] * 3
        with pytest.raises(DeterminismViolation):
            replay.deliver(Outcome(0, '"a"'), NOON)
        replay.close()


def test_a_violation_in_one_task_stops_all_of_them() -> None:
    async def handler(step: WorkflowContext) -> None:
        async def bad() -> None:
            await step.run_action(other, "?")

        async def good() -> None:
            note("good")

        await asyncio.gather(bad(), good(), return_exceptions=True)
        note("after")

    world = recorded(two_steps)
    changed = World(handler)
    changed.started_at = world.started_at
    replay = changed.handler()
    with pytest.raises(DeterminismViolation):
        changed.lead(replay, world.load(replay))
    assert changed.traces[replay] == []
    replay.close()


def test_a_process_that_has_seen_a_prefix_finds_the_same_violation() -> None:
    async def loops(step: WorkflowContext, extra: bool = False) -> None:
        for number in range(10):
            await step.run_action(echo, number)

    async def changes(step: WorkflowContext) -> None:
        for number in range(10):
            await step.run_action(echo, number if number < 3 else -number)

    world = World(loops)
    world.turn()
    early = World(changes)
    early.started_at = world.started_at
    live = early.handler()
    early.lead(live, world.load(live))
    for number in range(4):
        world.execute(number)
        world.turn()
    with pytest.raises(DeterminismViolation) as raised:
        early.lead(live, world.load(live))
    assert str(raised.value) == str(violation(world, changes))
    assert raised.value.number == 3
    live.close()


def test_stored_arguments_that_the_handler_does_not_take_any_more() -> None:
    async def handler(step: WorkflowContext, city: str) -> None:
        pass

    world = World(handler, "Paris")
    world.args = '{"town":"Paris"}'
    with pytest.raises(InvalidArguments, match="stored arguments do not fit the code"):
        world.turn()


def test_a_stored_result_that_does_not_fit_the_annotation_any_more_names_its_step() -> None:
    async def handler(step: WorkflowContext) -> Place:
        await step.run_action(echo, 1)
        return await step.run_query(find, "Paris")

    world = recorded(handler, executed(0), executed(1))
    assert world.result == Place("Paris")
    world.journal[1].result = '{"nom":"Paris"}'
    with pytest.raises(InvalidPayload, match="^the result of step 1: a stored value cannot be read: "):
        led(world, handler)


# -- limits


def asks(count: int) -> Handler:
    async def handler(step: WorkflowContext) -> None:
        for number in range(count):
            step.run_action(echo, number)
        await asyncio.Event().wait()

    return handler


def test_a_handler_may_ask_for_as_many_steps_as_the_limit_says_and_no_more() -> None:
    limits = Limits(asks=10)
    world = World(asks(10), limits=limits)
    world.turn()
    assert len(world.asked) == 10
    with pytest.raises(HandlerStuck, match=r"tests.core.flow asked for more than 10 steps without waiting for one"):
        World(asks(11), limits=limits).turn()


def test_the_limit_is_one_of_each_turn_and_not_of_the_journal() -> None:
    async def handler(step: WorkflowContext) -> int:
        for number in range(30):
            await step.run_action(echo, number)
        return 30

    assert World(handler, limits=Limits(asks=1)).run().result == 30


def test_timers_and_patches_count_towards_the_limit() -> None:
    async def timers(step: WorkflowContext) -> None:
        while True:
            asyncio.get_running_loop().call_later(10, print)

    async def patches(step: WorkflowContext) -> None:
        for number in range(100):
            step.patched(f"patch {number}")

    for handler in (timers, patches):
        with pytest.raises(HandlerStuck):
            World(handler, limits=Limits(asks=10)).turn()


def test_a_handler_that_catches_being_stuck_is_still_stuck() -> None:
    async def handler(step: WorkflowContext) -> str:
        try:
            for number in range(100):
                step.run_action(echo, number)
        except HandlerStuck:
            return "fine"
        return ""

    with pytest.raises(HandlerStuck):
        World(handler, limits=Limits(asks=10)).turn()


# -- cancellation


def test_a_handler_is_canceled_where_it_waits() -> None:
    world = World(two_steps)
    world.turn()
    world.cancel_requested = True
    world.turn()
    assert withdrawn(world)
    assert world.journal[0].state == "canceled"
    assert world.canceled_at == 1


def test_a_canceled_handler_can_clean_up_with_steps() -> None:
    async def handler(step: WorkflowContext) -> None:
        try:
            await asyncio.gather(step.run_action(echo, "slow"), step.sleep(3600))
        except asyncio.CancelledError:
            async with asyncio.timeout(60):
                await step.run_mutation(other, "undo")
            raise
        finally:
            await step.run_mutation(other, "close")

    world = World(handler)
    world.turn()
    world.cancel_requested = True
    world.turn()
    assert [record.state for record in world.journal] == ["canceled", "canceled", "waiting", "queued"]
    world.run()
    assert withdrawn(world)
    assert world.asked[2:] == ["sleep(60.0)", 'other("undo")', 'other("close")']


def test_a_handler_may_end_otherwise_than_by_its_cancellation() -> None:
    async def stubborn(step: WorkflowContext) -> str:
        try:
            await step.run_action(echo, 1)
        except asyncio.CancelledError:
            return await step.run_action(echo, "too late to cancel")
        return ""

    async def failing(step: WorkflowContext) -> None:
        try:
            await step.run_action(echo, 1)
        finally:
            raise CardDeclined("no")

    for handler in (stubborn, failing):
        world = World(handler)
        world.turn()
        world.cancel_requested = True
        world.turn()
        world.run()
        assert not withdrawn(world)


def test_a_handler_can_be_canceled_before_it_has_waited_for_anything() -> None:
    async def handler(step: WorkflowContext) -> None:
        await asyncio.Event().wait()

    world = World(handler)
    world.cancel_requested = True
    world.turn()
    assert withdrawn(world)


def test_tasks_are_canceled_with_the_group_that_the_handler_waits_for() -> None:
    async def child(step: WorkflowContext, number: int) -> None:
        try:
            await step.run_action(echo, number)
        finally:
            await step.run_mutation(other, number)

    async def handler(step: WorkflowContext) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(child(step, number))

    world = World(handler)
    world.turn()
    world.cancel_requested = True
    world.run()
    assert withdrawn(world)
    assert world.asked[3:] == ["other(0)", "other(1)", "other(2)"]


# -- SystemExit and its like


class Deadline(BaseException):
    pass


class WorkerTimeout(SystemExit):
    pass


async def alone(step: WorkflowContext, error: BaseException) -> None:
    await step.run_action(echo, 1)
    raise error


async def in_a_gather(step: WorkflowContext, error: BaseException) -> None:
    await asyncio.gather(alone(step, error), step.sleep(60))


async def in_a_group(step: WorkflowContext, error: BaseException) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(alone(step, error))
        group.create_task(asyncio.sleep(60))


PLACES = pytest.mark.parametrize("place", [alone, in_a_gather, in_a_group], ids=lambda place: place.__name__)


def raising(place: Callable[..., Any], error: BaseException) -> Handler:
    async def handler(step: WorkflowContext) -> None:
        await place(step, error)

    return handler


@PLACES
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_exits_are_the_handlers_outcome(place: Callable[..., Any], error: BaseException) -> None:
    assert World(raising(place, error)).run().error is error


def test_a_handler_can_catch_the_exit_of_its_task_and_goes_on() -> None:
    async def handler(step: WorkflowContext) -> str:
        try:
            await in_a_gather(step, SystemExit(3))
        except SystemExit:
            return await step.run_action(echo, "caught")
        return ""

    assert World(handler).run().result == "caught"


def test_an_exit_that_no_task_has_made_its_own_ends_the_turn_and_not_the_worker() -> None:
    def leave() -> None:
        raise SystemExit(4)

    async def handler(step: WorkflowContext) -> None:
        asyncio.get_running_loop().call_soon(leave)
        await step.run_action(echo, 1)

    world = World(handler)
    with pytest.raises(WorkflowError, match=r"a callback of its event loop raised SystemExit\(4\)"):
        world.turn()
    world.crash()


@PLACES
@pytest.mark.parametrize("error", [Deadline("late"), WorkerTimeout(0)], ids=repr)
def test_what_interrupts_the_handler_from_outside_ends_the_turn(place: Callable[..., Any], error: Any) -> None:
    world = World(raising(place, error), limits=Limits(interrupts=(Deadline, WorkerTimeout)))
    world.turn()
    world.execute(len(world.asked) - 1 if place is alone else world.asked.index("echo(1)"))
    with pytest.raises(type(error)) as raised:
        world.turn()
    assert raised.value is error
    world.crash()


def test_what_would_be_an_interrupt_elsewhere_is_an_outcome_where_nobody_says_so() -> None:
    error = Deadline("late")
    assert World(raising(alone, error)).run().error is error


# -- setting a handler aside


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What Python could only print, up to the end of the test and a round of garbage collection."""
    gc.collect()
    caught: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", caught.append)
    yield caught
    gc.collect()
    assert not caught


async def nested_blocks(step: WorkflowContext) -> None:
    try:
        try:
            await step.run_action(echo, 1)
        finally:
            note("inner")
            await step.run_action(other, "inner")
            note("never")
    finally:
        note("outer")
        await step.sleep(10)
        note("never")


async def tasks_of_all_sorts(step: WorkflowContext) -> None:
    async def child() -> None:
        try:
            await step.run_action(echo, "child")
        finally:
            note("child")
            asyncio.create_task(child())  # noqa: RUF006
            await asyncio.gather(child(), child())

    async def holder(lock: asyncio.Lock) -> None:
        async with lock, asyncio.timeout(60):
            await asyncio.Event().wait()

    lock = asyncio.Lock()
    asyncio.create_task(child())  # noqa: RUF006
    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        group.create_task(holder(lock))
        group.create_task(holder(lock))


async def generator_within(step: WorkflowContext) -> None:
    async def pages() -> AsyncIterator[int]:
        try:
            yield await step.run_action(echo, 1)
            await step.run_action(echo, 2)
        finally:
            await step.run_action(other, "close")

    async for _ in pages():
        await step.run_action(echo, 3)


async def deaf(step: WorkflowContext) -> None:
    for _ in range(20):
        try:
            await step.run_action(echo, 1)
        except BaseException:  # noqa: BLE001
            note("deaf")


async def quarrelsome(step: WorkflowContext) -> None:
    try:
        await step.run_action(echo, 1)
    except BaseException:  # noqa: BLE001
        raise SystemExit(1) from None


async def asking_for_nonsense(step: WorkflowContext) -> None:
    try:
        await step.run_action(echo, 1)
    finally:
        await step.run_action(lambda: None)


async def asking_for_everything(step: WorkflowContext) -> None:
    try:
        await step.run_action(echo, 1)
    finally:
        note(step.patched("a"), step.now(), step.random.random(), step.uuid4())
        step.logger.error("nobody hears this")
        asyncio.get_running_loop().call_later(10, print)
        step.map(echo, [1, 2])
        step.with_options(inline=True).run_query(echo, 2)
        step.await_event("news", timeout=3)
        step.create_event("reply").cancel()
        await asyncio.sleep(10)


ASIDE = [
    nested_blocks,
    tasks_of_all_sorts,
    generator_within,
    deaf,
    quarrelsome,
    asking_for_nonsense,
    asking_for_everything,
]


@pytest.mark.parametrize("handler", ASIDE, ids=lambda handler: handler.__name__)
def test_a_handler_that_is_set_aside_reaches_nothing(
    handler: Handler, unraisable: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = World(handler)
    world.turn()
    live = world.alive["worker"]
    before = (live.next_number, live.delivered, live.ending())
    live.close()
    live.close()
    requests = live.take()
    assert not requests.asks
    assert not requests.dropped
    assert (live.next_number, live.delivered) == before[:2]
    assert "never" not in world.trace
    assert not caplog.records
    gc.collect()
    assert not unraisable


def test_the_finally_blocks_of_a_handler_that_is_set_aside_run() -> None:
    world = World(nested_blocks)
    world.turn()
    trace = world.trace
    world.crash()
    assert trace == ["inner", "outer"]


def test_finally_blocks_run_within_the_loop_where_the_orm_is_refused() -> None:
    loops = []

    async def handler(step: WorkflowContext) -> None:
        try:
            await step.run_action(echo, 1)
        finally:
            loops.append(asyncio.get_running_loop())

    world = World(handler)
    world.turn()
    world.crash()
    assert isinstance(loops[0], ReplayLoop)
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


@pytest.mark.parametrize("begun", [False, True])
def test_a_handler_that_has_ended_or_not_begun_can_be_set_aside(begun: bool, unraisable: list[Any]) -> None:
    async def handler(step: WorkflowContext) -> str:
        return "done"

    replay = World(handler).handler()
    if begun:
        replay.catch_up([], fresh=True)
    assert (replay.ending() is not None) is begun
    replay.close()


def test_tasks_that_never_began_are_set_aside_without_a_word(unraisable: list[Any]) -> None:
    async def handler(step: WorkflowContext) -> None:
        asyncio.create_task(two_steps(step))  # noqa: RUF006
        await step.run_action(other, "not recorded")

    world = recorded(two_steps)
    changed = World(handler)
    changed.started_at = world.started_at
    replay = changed.handler()
    with pytest.raises(DeterminismViolation):
        changed.lead(replay, world.load(replay))
    replay.close()


def test_many_tasks_that_have_ended_are_forgotten() -> None:
    async def handler(step: WorkflowContext) -> None:
        async def brief() -> None:
            pass

        for _ in range(5000):
            await asyncio.create_task(brief())
        await step.run_action(echo, 1)

    world = World(handler)
    world.turn()
    assert len([task for task in gc.get_objects() if type(task).__name__ == "ReplayTask"]) < 1000
    world.crash()


# -- what a handler catches


def failure(**changes: Any) -> Failure:
    return Failure(
        **{"type": "shop.CardDeclined", "message": "no", "bases": ("builtins.ValueError",), "attempts": 3} | changes
    )


@pytest.mark.parametrize(
    ("kind", "error_type", "caught"),
    [
        (StepKind.ACTION, "shop.CardDeclined", StepFailed),
        (StepKind.MUTATION, TIMEOUT_TYPE, StepFailed),
        (StepKind.WORKFLOW, "shop.CardDeclined", ChildWorkflowFailed),
        (StepKind.WORKFLOW, CANCELED_TYPE, ChildWorkflowCanceled),
        (StepKind.EVENT, "shop.CardDeclined", EventFailed),
        (StepKind.EVENT, TIMEOUT_TYPE, TimeoutError),
    ],
)
def test_a_failure_becomes_the_exception_of_its_kind(
    kind: StepKind, error_type: str, caught: type[BaseException]
) -> None:
    error = exception_of(kind, "a step", failure(type=error_type))
    assert type(error) is caught
    assert str(error) == "no"


def test_a_failed_step_says_all_that_is_known_of_it() -> None:
    async def handler(step: WorkflowContext) -> list[Any]:
        try:
            await step.run_action(broken, "declined")
        except StepFailed as error:
            return [
                error.message,
                error.error_type,
                error.attempts,
                error.caused_by(CardDeclined),
                error.caused_by(ValueError, KeyError),
                error.caused_by(KeyError),
                "raise CardDeclined(message)" in error.traceback,
            ]
        return []

    assert World(handler).run().result == ["declined", "tests.core.steps.CardDeclined", 1, True, True, False, True]


def test_each_step_that_fails_raises_an_exception_of_its_own() -> None:
    async def handler(step: WorkflowContext) -> int:
        errors = await asyncio.gather(
            step.run_action(broken, "no"), step.run_action(broken, "no"), return_exceptions=True
        )
        return len({id(error) for error in errors})

    assert World(handler).run().result == 2


def test_a_failure_keeps_no_local_variables_and_no_more_than_fits() -> None:
    def fails() -> None:
        secret = "hunter2"  # noqa: F841
        raise CardDeclined("x" * 100_000 + "\0\ud800")

    with pytest.raises(CardDeclined) as raised:
        fails()
    kept = failure_of(raised.value, attempts=2)
    assert kept.type == "tests.core.steps.CardDeclined"
    assert kept.bases == ("builtins.ValueError", "builtins.Exception")
    assert kept.attempts == 2
    assert len(kept.message) <= 10_100
    assert len(kept.traceback) <= 50_100
    assert Failure.load(kept.dump()) == kept
    assert "hunter2" not in kept.traceback.replace('secret = "hunter2"', "")


def test_a_failure_without_a_text_or_with_one_that_fails_is_named_after_its_class() -> None:
    class Silent(Exception):
        pass

    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert failure_of(Silent()).message == "Silent"
    assert failure_of(Unspeakable()).message == "Unspeakable (its text cannot be read)"


def test_the_exceptions_frames_of_the_engine_can_be_left_out() -> None:
    def inner() -> None:
        raise CardDeclined("no")

    def outer() -> None:
        inner()

    with pytest.raises(CardDeclined) as raised:
        outer()
    assert "in outer" in failure_of(raised.value).traceback
    assert "in outer" not in failure_of(raised.value, skip_frames=2).traceback
    assert "in inner" in failure_of(raised.value, skip_frames=100).traceback


def test_what_the_handler_itself_raises_ends_it_with_its_own_traceback() -> None:
    async def handler(step: WorkflowContext) -> None:
        await step.run_action(echo, 1)
        raise CardDeclined("no")

    world = World(handler).run()
    assert isinstance(world.ending, Raised)
    assert "in handler" in failure_of(world.error).traceback


def test_the_workflows_seed_keeps_it_apart_from_others() -> None:
    async def handler(step: WorkflowContext) -> int:
        return hash(asyncio.get_running_loop().create_future())

    other_id = WORKFLOW_ID.__class__(int=WORKFLOW_ID.int + 1_000_000)
    assert World(handler).run().result == World(handler).run().result
    assert World(handler).run().result != World(handler, workflow_id=other_id).run().result
