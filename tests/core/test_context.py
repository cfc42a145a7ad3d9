"""What a handler may call: each call is one numbered step with its options, and nothing else differs on replay."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from django_workflows import RetryPolicy, WorkflowContext, define_event
from django_workflows.core.commands import Ask, StepOptions
from django_workflows.core.definitions import Definition
from django_workflows.core.journal import StepKind
from django_workflows.core.limits import Limits
from django_workflows.exceptions import (
    ContinueAsNew,
    EventFailed,
    InvalidArguments,
    InvalidStep,
    PayloadTooLarge,
    StepFailed,
)

from . import steps
from .steps import Place, add, broken, echo, fetch, find
from .world import NOON, WORKFLOW_ID, Handler, World, note, soonest

EVENT_ID = UUID("0195512e-7c00-7000-8000-00000000000e")


@dataclass
class Answer:
    approved: bool


approval = define_event("tests.core.approval", Answer)


async def child_handler(step: WorkflowContext, city: str, when: datetime | None = None) -> Place:
    return Place(city, when)


child = Definition(name="tests.core.child", handler=child_handler)


def first_asks(handler: Handler, **options: Any) -> list[Ask]:
    """What a handler asks for before it waits."""
    replay = World(handler, **options).handler()
    replay.catch_up([], fresh=True)
    asks = list(replay.take().asks)
    replay.close()
    return asks


def only_ask(call: Any) -> Ask:
    async def handler(step: WorkflowContext) -> None:
        call(step)
        await asyncio.Event().wait()

    [ask] = first_asks(handler)
    return ask


def refusal(call: Any, limits: Limits | None = None) -> BaseException:
    """What a handler gets that makes this call."""

    async def handler(step: WorkflowContext) -> None:
        await call(step)

    world = World(handler, limits=limits)
    world.turn()
    assert world.asked == []
    return world.error


# -- functions


@pytest.mark.parametrize(
    ("method", "kind"),
    [("run_query", StepKind.QUERY), ("run_mutation", StepKind.MUTATION), ("run_action", StepKind.ACTION)],
)
def test_a_function_is_asked_for_by_its_path_with_its_arguments(method: str, kind: StepKind) -> None:
    ask = only_ask(lambda step: getattr(step, method)(add, 1, right=2))
    assert (ask.number, ask.kind, ask.name, ask.args) == (0, kind, "tests.core.steps.add", '{"left":1,"right":2}')
    assert ask.function is add
    assert ask.options == StepOptions()
    assert (ask.delay, ask.run_at) == (None, None)


def test_async_functions_are_steps_like_others() -> None:
    assert only_ask(lambda step: step.run_action(fetch, "https://example.org")).name == "tests.core.steps.fetch"


def test_each_call_gives_a_future() -> None:
    async def handler(step: WorkflowContext) -> list[bool]:
        futures = [
            step.run_query(echo, 1),
            step.run_mutation(echo, 1),
            step.run_action(echo, 1),
            step.run_workflow(child, "Paris"),
            step.await_event("news"),
            step.create_event("reply"),
            step.sleep(1),
            step.sleep_until(NOON),
            step.map(echo, [1]),
        ]
        for future in futures:
            future.cancel()
        return [asyncio.isfuture(future) for future in futures]

    world = World(handler)
    world.turn()
    assert all(world.result)


def test_results_come_back_as_the_annotated_type() -> None:
    async def handler(step: WorkflowContext) -> Place:
        place = await step.run_query(find, "Paris")
        note(type(place).__name__)
        return place

    assert World(handler).run().result == Place("Paris")


def test_an_argument_that_does_not_fit_names_the_step_and_is_not_asked_for() -> None:
    error = refusal(lambda step: step.run_action(add, "one", right=2))
    assert isinstance(error, InvalidArguments)
    assert str(error).startswith("arguments of step 0 (tests.core.steps.add): tests.core.steps.add(): parameter 'left'")


def test_arguments_that_are_too_large_name_the_step() -> None:
    error = refusal(
        lambda step: step.with_options(name="big").run_action(echo, "x" * 100), limits=Limits(payload_bytes=50)
    )
    assert isinstance(error, PayloadTooLarge)
    assert str(error).startswith("arguments of step 0 (big): 112 bytes of JSON, and 50 are allowed")


class Service:
    def call(self) -> None:
        pass

    @staticmethod
    def static() -> None:
        pass

    def __call__(self) -> None:
        pass


def decorated_badly(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(*args: Any) -> Any:
        return fn(*args)

    return wrapper


def closure() -> Any:
    def inner() -> None:
        pass

    return inner


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: None, "is a lambda, which another process cannot import"),
        (closure(), "is a closure, which another process cannot import"),
        (Service.call, "is a method, which another process cannot import"),
        (Service.static, "is a method, which another process cannot import"),
        (Service().call, "is a method, and another process does not have its object"),
        (Service(), "is an object of Service and not a module-level function"),
        (Service, "is a class: write a function at the top level"),
        (
            functools.partial(echo, 1),
            "is a functools.partial, which has no name by which another process could import it",
        ),
        (decorated_badly(echo), "is not the function that `from tests.core.steps import echo` gives"),
        (child, "tests.core.child is a workflow: run it with step.run_workflow"),
        ("tests.core.steps.echo", "is a text: import the function, and pass it"),
        (None, "is not a module-level function"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_other_process_could_run_is_refused(function: Any, said: str) -> None:
    error = refusal(lambda step: step.run_action(function))
    assert isinstance(error, InvalidStep)
    assert said in str(error)


def test_a_function_of_the_main_module_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def main() -> None:
        pass

    main.__module__, main.__qualname__ = "__main__", "main"
    error = refusal(lambda step: step.run_action(main))
    assert "__main__.main is a function of __main__, which another process cannot import" in str(error)


def test_builtin_functions_are_functions_of_a_module() -> None:
    assert only_ask(lambda step: step.run_query(abs, -1)).name == "builtins.abs"


# -- options


def test_options_derive_and_leave_the_original_alone() -> None:
    async def handler(step: WorkflowContext) -> None:
        named = step.with_options(name="first", retry=True)
        both = named.with_options(timeout=timedelta(seconds=5), retry=False)
        both.run_action(echo, 1)
        named.run_action(echo, 2)
        step.run_action(echo, 3)
        both.with_options().run_action(echo, 4)
        await asyncio.Event().wait()

    options = [ask.options for ask in first_asks(handler)]
    assert options == [
        StepOptions(name="first", retry=False, timeout=timedelta(seconds=5)),
        StepOptions(name="first", retry=True),
        StepOptions(),
        StepOptions(name="first", retry=False, timeout=timedelta(seconds=5)),
    ]


@pytest.mark.parametrize(
    ("options", "delay", "run_at"),
    [
        ({"run_after": 90}, 90.0, None),
        ({"run_after": timedelta(minutes=1.5)}, 90.0, None),
        ({"run_at": NOON}, None, NOON),
    ],
)
def test_a_step_can_begin_later(options: Any, delay: float | None, run_at: datetime | None) -> None:
    for call in (
        lambda step: step.with_options(**options).run_mutation(echo, 1),
        lambda step: step.with_options(**options).run_workflow(child, "Paris"),
    ):
        ask = only_ask(call)
        assert (ask.delay, ask.run_at) == (delay, run_at)


def test_the_later_of_two_times_wins() -> None:
    options = StepOptions().derive(run_after=5).derive(run_at=NOON)
    assert (options.run_after, options.run_at) == (None, NOON)
    options = options.derive(run_after=5)
    assert (options.run_after, options.run_at) == (5, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retries": 3}, "with_options: unknown option 'retries'; there are retry, run_after"),
        ({"run_after": 1, "run_at": NOON}, "run_after and run_at exclude each other"),
        ({"run_after": -1}, "run_after: must lie between 0 and 5,000 years, got -1"),
        ({"run_after": "soon"}, "run_after: a timedelta or a number of seconds is needed, got 'soon'"),
        ({"run_at": datetime(2026, 1, 1)}, "run_at: datetime.datetime(2026, 1, 1, 0, 0) has no time zone"),  # noqa: DTZ001
        ({"run_at": 5}, "run_at: an aware datetime is needed, got 5"),
        ({"timeout": 0}, "timeout must be longer than 0 seconds"),
        ({"timeout": float("nan")}, "timeout: must lie between 0 and 5,000 years, got nan"),
        ({"inline": True, "run_after": 1}, "inline steps run in the turn itself"),
        ({"inline": True, "run_at": NOON}, "inline steps run in the turn itself"),
        ({"retry": 3}, "retry must be True, False or a RetryPolicy, got 3"),
        ({"name": ""}, "name: 1 to 200 printable characters are needed, got ''"),
        ({"name": "a\nb"}, "name: 1 to 200 printable characters are needed"),
        ({"queue": "x" * 201}, "queue: 1 to 200 printable characters are needed"),
        ({"priority": 101}, "priority must be an int from -100 to 100, got 101"),
        ({"priority": True}, "priority must be an int from -100 to 100, got True"),
        ({"priority": 1.0}, "priority must be an int from -100 to 100, got 1.0"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_options_that_make_no_sense_are_refused_where_they_are_given(options: Any, said: str) -> None:
    error = refusal(lambda step: step.with_options(**options).run_query(echo, 1))
    assert isinstance(error, InvalidStep)
    assert str(error).startswith(said)


def test_actions_and_children_cannot_be_inline() -> None:
    assert "only queries and mutations can" in str(refusal(lambda s: s.with_options(inline=True).run_action(echo, 1)))
    error = refusal(lambda step: step.with_options(inline=True).run_workflow(child, "Paris"))
    assert "only queries and mutations can" in str(error)


def test_a_policy_and_the_rest_travel_as_they_are() -> None:
    policy = RetryPolicy(max_attempts=2)
    ask = only_ask(
        lambda step: step.with_options(
            retry=policy, queue="slow", priority=-100, unstable_args=True, name="a name"
        ).run_action(echo, 1)
    )
    assert ask.name == "a name"
    assert ask.options == StepOptions(retry=policy, queue="slow", priority=-100, unstable_args=True, name="a name")


# -- children


def test_a_child_is_asked_for_by_its_name_with_all_of_its_arguments() -> None:
    ask = only_ask(lambda step: step.run_workflow(child, "Paris"))
    assert (ask.kind, ask.name, ask.args) == (StepKind.WORKFLOW, "tests.core.child", '{"city":"Paris","when":null}')
    assert ask.function is child


def test_the_result_of_a_child_is_of_the_type_that_it_returns() -> None:
    async def handler(step: WorkflowContext) -> Any:
        return await step.run_workflow(child, "Paris", when=NOON)

    world = World(handler)
    world.turn()
    world.end(0, {"name": "Paris", "seen_at": "2026-03-01T12:00:00Z"})
    world.turn()
    assert world.result == Place("Paris", NOON)


@pytest.mark.parametrize("what", [child_handler, echo, "tests.core.child", None])
def test_only_a_definition_can_be_a_child(what: Any) -> None:
    error = refusal(lambda step: step.run_workflow(what))
    assert isinstance(error, InvalidStep)
    assert str(error).startswith("run_workflow needs a workflow definition (@workflow.define), got ")


def test_wrong_arguments_of_a_child_are_refused_in_the_parent() -> None:
    error = refusal(lambda step: step.run_workflow(child, town="Paris"))
    assert isinstance(error, InvalidArguments)
    assert str(error).startswith("arguments of step 0 (tests.core.child): ")


# -- events


@pytest.mark.parametrize(
    ("call", "name", "args", "event_id"),
    [
        (lambda step: step.await_event(approval), "tests.core.approval", '{"timeout":null}', None),
        (lambda step: step.await_event("news"), "news", '{"timeout":null}', None),
        (lambda step: step.await_event("news", timeout=3), "news", '{"timeout":3.0}', None),
        (
            lambda step: step.await_event(EVENT_ID, timedelta(minutes=1)),
            str(EVENT_ID),
            f'{{"event":"{EVENT_ID}","timeout":60.0}}',
            str(EVENT_ID),
        ),
        (
            lambda step: step.with_options(name="the reply").await_event(str(EVENT_ID)),
            "the reply",
            f'{{"event":"{EVENT_ID}","timeout":null}}',
            str(EVENT_ID),
        ),
    ],
)
def test_an_event_is_awaited_by_definition_name_or_id(call: Any, name: str, args: str, event_id: str | None) -> None:
    ask = only_ask(call)
    assert (ask.kind, ask.name, ask.args, ask.event_id) == (StepKind.EVENT, name, args, event_id)


def test_the_value_of_a_defined_event_is_of_its_type() -> None:
    async def handler(step: WorkflowContext) -> Any:
        return [await step.await_event(approval), await step.await_event("tests.core.approval")]

    world = World(handler)
    for _ in range(2):
        world.send_event("tests.core.approval", {"approved": True})
    world.turn()
    assert world.result == [Answer(True), {"approved": True}]


def test_an_event_that_was_sent_with_an_error_is_raised() -> None:
    async def handler(step: WorkflowContext) -> str:
        try:
            await step.await_event("news")
        except EventFailed as error:
            return error.message
        return ""

    world = World(handler)
    world.turn()
    world.fail(0, RuntimeError("gave up"))
    world.turn()
    assert world.result == "gave up"


@pytest.mark.parametrize("event", ["", "a\nb", 3, None])
def test_an_event_needs_a_name(event: Any) -> None:
    for call in (lambda step: step.await_event(event), lambda step: step.create_event(event)):
        error = refusal(call)
        assert isinstance(error, InvalidStep)
        assert str(error).startswith("the name of an event: 1 to 200 printable characters are needed")


def test_an_event_made_ahead_of_time_is_known_by_a_uuid() -> None:
    async def handler(step: WorkflowContext) -> Any:
        event_id = await step.create_event(define_event("reply", int))
        note(event_id)
        return await step.await_event(event_id)

    world = World(handler)
    world.turn()
    assert world.trace == [UUID(int=0)]
    assert world.journal[0].name == "reply"


# -- time


@pytest.mark.parametrize(
    ("call", "name", "args", "delay", "run_at"),
    [
        (lambda step: step.sleep(90), "sleep", '{"seconds":90.0}', 90.0, None),
        (lambda step: step.sleep(timedelta(days=1), name="a day"), "a day", '{"seconds":86400.0}', 86400.0, None),
        (lambda step: step.with_options(name="nap").sleep(0), "nap", '{"seconds":0.0}', 0.0, None),
        (
            lambda step: step.sleep_until(NOON, "lunch"),
            "lunch",
            '{"until":"2026-03-01T12:00:00+00:00"}',
            None,
            NOON,
        ),
        (
            lambda step: step.sleep_until(NOON.astimezone(ZoneInfo("Europe/Paris"))),
            "sleep",
            '{"until":"2026-03-01T13:00:00+01:00"}',
            None,
            NOON,
        ),
    ],
)
def test_a_timer(call: Any, name: str, args: str, delay: float | None, run_at: datetime | None) -> None:
    ask = only_ask(call)
    assert (ask.kind, ask.name, ask.args, ask.delay, ask.run_at) == (StepKind.SLEEP, name, args, delay, run_at)


@pytest.mark.parametrize(
    "call",
    [
        lambda step: step.sleep(-1),
        lambda step: step.sleep(float("inf")),
        lambda step: step.sleep("long"),
        lambda step: step.sleep(True),
        lambda step: step.sleep(timedelta.max),
        lambda step: step.sleep(1, name=""),
        lambda step: step.sleep_until(datetime(2026, 1, 1)),  # noqa: DTZ001
        lambda step: step.sleep_until(NOON.date()),
        lambda step: step.await_event("news", timeout=-1),
    ],
)
def test_a_timer_without_sense_is_refused(call: Any) -> None:
    assert isinstance(refusal(call), InvalidStep)


def test_now_is_when_the_handler_was_told_of_the_last_outcome() -> None:
    async def handler(step: WorkflowContext) -> list[datetime]:
        times = [step.now(), step.now()]
        await step.run_action(echo, 1)
        times.append(step.now())
        await asyncio.sleep(3600)
        return [*times, step.now()]

    world = World(handler)
    world.turn()
    began = world.now
    world.pass_time(100)
    world.execute(0)
    world.turn()
    told = world.now
    world.let_pass(1)
    world.turn()
    assert world.result == [began, began, told, world.now]
    assert world.now - told >= timedelta(hours=1)
    assert all(instant.tzinfo is UTC for instant in world.result)


def test_now_never_goes_back() -> None:
    async def handler(step: WorkflowContext) -> list[bool]:
        before = step.now()
        await step.run_action(echo, 1)
        return [step.now() >= before]

    world = World(handler)
    world.turn()
    world.execute(0)
    world.now -= timedelta(days=1)
    world.turn()
    assert world.result == [True]


# -- randomness


async def chances(step: WorkflowContext) -> list[Any]:
    drawn: list[Any] = []
    for number in range(3):
        await step.run_action(echo, number)
        drawn += [step.random.random(), str(step.uuid4()), step.with_options(name="x").random.randrange(1000)]
    return drawn


def test_randomness_is_the_same_on_every_replay_and_differs_between_workflows() -> None:
    drawn = World(chances).run().result
    assert World(chances).run().result == drawn
    assert len(set(drawn)) == 9
    other = World(chances, workflow_id=UUID(int=WORKFLOW_ID.int + 1)).run().result
    assert set(other).isdisjoint(drawn[::3] + drawn[1::3])


def test_randomness_is_no_part_of_anyone_elses() -> None:
    state = random.getstate()
    World(chances).run()
    assert random.getstate() == state


def test_ids_are_random_uuids_and_do_not_depend_on_other_randomness() -> None:
    async def ids(step: WorkflowContext, draws: int) -> list[UUID]:
        drawn = []
        for _ in range(3):
            note([step.random.random() for _ in range(draws)])
            drawn.append(step.uuid4())
        return drawn

    few, many = World(ids, 0).run().result, World(ids, 10).run().result
    assert few == many
    assert {each.version for each in few} == {4}
    assert len(set(few)) == 3


def test_a_workflow_that_is_continued_has_new_randomness() -> None:
    world = World(chances)
    again = World(chances)
    again.continuations = 1
    assert world.run().result != again.run().result


# -- the logger


async def talkative(step: WorkflowContext) -> None:
    step.logger.info("begun in %s", "Paris", extra={"city": "Paris"})
    await step.run_action(echo, 1)
    step.logger.warning("told")
    try:
        await step.run_action(broken, "no")
    except StepFailed:
        step.logger.exception("failed")
    await step.run_action(echo, 3)


def test_the_logger_is_silent_while_replaying(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=__name__)
    world = World(talkative)
    while world.ending is None:
        world.turn(keep=False)
        if world.ending is None:
            world.advance(soonest(world))
    assert [record.message for record in caplog.records] == ["begun in Paris", "told", "failed"]
    assert {record.name for record in caplog.records} == {__name__}
    first = caplog.records[0]
    assert (first.workflow_id, first.workflow, first.city) == (str(WORKFLOW_ID), "tests.core.flow", "Paris")
    assert first.funcName == "talkative"
    assert caplog.records[2].exc_info is not None


def test_the_logger_knows_whether_it_would_be_heard(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(step: WorkflowContext) -> None:
        heard.append((step.logger.isEnabledFor(logging.INFO), step.logger.isEnabledFor(logging.DEBUG)))
        await step.run_action(echo, 1)

    heard: list[tuple[bool, bool]] = []
    caplog.set_level(logging.INFO, logger=__name__)
    World(handler).turn()
    assert heard == [(True, False), (False, False), (False, False)]


# -- many at once, and for ever


def test_map_keeps_as_many_steps_open_as_its_limit_says_and_the_order_of_its_items() -> None:
    async def handler(step: WorkflowContext) -> list[int]:
        return await step.with_options(name="each").map(echo, range(7), limit=3)

    open_at_once = []

    def choose(world: World) -> int:
        open_at_once.append(len(world.open))
        return world.open[-1].number

    world = World(handler).run(choose)
    assert world.result == list(range(7))
    assert world.asked == [f"each({number})" for number in range(7)]
    assert max(open_at_once) == 3


def test_map_of_nothing_asks_for_nothing() -> None:
    async def handler(step: WorkflowContext) -> list[int]:
        return await step.map(echo, [])

    world = World(handler).run()
    assert (world.result, world.asked) == ([], [])


def test_the_first_failure_of_a_map_drops_the_rest() -> None:
    async def handler(step: WorkflowContext) -> str:
        try:
            await step.map(broken, ["a", "b", "c", "d"], limit=2)
        except StepFailed as error:
            return error.message
        return ""

    world = World(handler)
    world.turn()
    world.execute(1)
    world.turn()
    assert world.result == "b"
    assert [record.state for record in world.journal] == ["canceled", "failed"]


def test_a_map_that_is_canceled_drops_its_steps() -> None:
    async def handler(step: WorkflowContext) -> str:
        try:
            async with asyncio.timeout(10):
                await step.map(echo, range(10), limit=2)
        except TimeoutError:
            await step.run_action(echo, "late")
        return "late"

    world = World(handler)
    world.turn()
    world.let_pass(0)
    world.turn()
    assert [record.state for record in world.journal] == ["completed", "canceled", "canceled", "queued"]
    assert world.run().result == "late"


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, None])
def test_map_needs_a_limit(limit: Any) -> None:
    error = refusal(lambda step: step.map(echo, [1], limit=limit))
    assert str(error).startswith("map: limit must be an int of at least 1")


def test_a_handler_begins_anew_with_arguments_that_fit() -> None:
    async def handler(step: WorkflowContext, count: int = 0) -> None:
        try:
            step.continue_as_new(count=count + 1)
        except Exception:  # noqa: BLE001
            note("must not be caught by accident")

    world = World(handler).run()
    assert isinstance(world.error, ContinueAsNew)
    assert world.error.arguments == '{"count":1}'

    async def wrong(step: WorkflowContext, count: int = 0) -> None:
        step.continue_as_new(counter=1)

    assert isinstance(World(wrong).run().error, InvalidArguments)


def test_the_context_knows_its_workflow() -> None:
    async def handler(step: WorkflowContext) -> UUID:
        return step.with_options(name="x").workflow_id

    assert World(handler).run().result == WORKFLOW_ID


def test_functions_that_were_asked_for_are_known_to_whoever_runs_them() -> None:
    from django_workflows.core.registry import registry

    only_ask(lambda step: step.run_action(steps.fetch, "x"))
    assert fetch in [fn for (_, path), fn in registry.functions.items() if path == "tests.core.steps.fetch"]
