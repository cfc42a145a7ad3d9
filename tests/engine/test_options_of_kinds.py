"""Every option of ``with_options`` on every kind of step: it does what it says, or is an error that says what does."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from django_workflows import Completed, Failed, RetryPolicy, StepFailed, WorkflowContext, WorkflowStatus
from django_workflows.models import Step, Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import advance, finish, run

workflow = flows.workflow
HOUR = timedelta(hours=1)
both_ways = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


async def _made(step: WorkflowContext) -> str:
    return str(await step.create_event("made"))


CALLS: dict[str, Any] = {
    "sleep": lambda step: step.sleep(60),
    "sleep_until": lambda step: step.sleep_until(step.now() + timedelta(minutes=1)),
    "event": lambda step: step.await_event("go"),
    "event in time": lambda step: step.await_event("go", timeout=60),
    "child": lambda step: step.run_workflow(flows.nothing),
    "made": _made,
    "query": lambda step: step.run_query(steps.count_effects),
    "mutation": lambda step: step.run_mutation(steps.insert_effect_then, "k"),
    "action": lambda step: step.run_action(steps.no_op),
}


@workflow.define(name="tests delayed kinds")
async def delayed(step: WorkflowContext, kind: str, by: str) -> list[Any]:
    begun = step.now()
    context = step.with_options(run_after=HOUR) if by == "after" else step.with_options(run_at=step.now() + HOUR)
    try:
        found = await CALLS[kind](context)
    except TimeoutError:
        found = "late"
    return [round((step.now() - begun).total_seconds()), found]


def assert_took(seconds: int, status: WorkflowStatus, found: Any) -> None:
    """It has waited that long, and what a busy machine took for the lines between."""
    assert isinstance(status, Completed)
    took, result = status.result
    assert seconds <= took < seconds + 50
    assert result == found


@both_ways
@pytest.mark.parametrize("by", ["after", "at"])
@pytest.mark.parametrize(
    ("kind", "seconds", "found"),
    [
        ("sleep", 3660, None),
        ("sleep_until", 3600, None),
        ("event in time", 3660, "late"),
        ("child", 3600, "done"),
        ("query", 3600, 0),
        ("mutation", 3600, "k"),
        ("action", 3600, None),
    ],
)
def test_every_kind_of_step_can_be_put_off(kind: str, by: str, seconds: int, found: Any, replaying: bool) -> None:
    workflow_id = delayed.start(kind, by)
    run(replaying=replaying)
    advance(HOUR - timedelta(minutes=1))
    run(replaying=replaying)
    assert not Effect.objects.exists()
    assert workflow.status(workflow_id).type == "in_progress"
    assert_took(seconds, finish(workflow_id, replaying=replaying), found)


@both_ways
@pytest.mark.parametrize("by", ["after", "at"])
def test_a_wait_for_an_event_that_is_put_off_takes_none_before(by: str, replaying: bool) -> None:
    workflow_id = delayed.start("event", by)
    run(replaying=replaying)
    assert workflow.status(workflow_id).running == ["go"]
    workflow.send_event(workflow_id, "go", 1)
    workflow.send_event(workflow_id, "go", 2)
    run(replaying=replaying)
    assert workflow.status(workflow_id).type == "in_progress"
    assert_took(3600, finish(workflow_id, replaying=replaying), 1)


@workflow.define(name="tests delayed race")
async def delayed_race(step: WorkflowContext) -> str:
    """The wait is given up before it has begun."""
    later = step.with_options(run_after=HOUR).await_event("go")
    done, _ = await asyncio.wait([later, step.await_event("stop")], return_when=asyncio.FIRST_COMPLETED)
    later.cancel()
    await step.run_mutation(steps.insert_effect, "stopped")
    return "later" if later in done else "stopped"


@both_ways
def test_a_wait_that_is_put_off_can_be_given_up(replaying: bool) -> None:
    workflow_id = delayed_race.start()
    run(replaying=replaying)
    workflow.send_event(workflow_id, "stop")
    run(replaying=replaying)
    assert workflow.status(workflow_id) == Completed("stopped")
    assert not Step.objects.filter(state__in=["queued", "waiting", "running"]).exists()


@workflow.define(name="tests sleep until later")
async def sleeps_until_either(step: WorkflowContext, delay: int, until: int) -> list[Any]:
    begun = step.now()
    await step.with_options(run_after=delay).sleep_until(begun + timedelta(seconds=until))
    return [round((step.now() - begun).total_seconds()), None]


@pytest.mark.parametrize(("delay", "until", "slept"), [(100, 1000, 1000), (1000, 100, 1000), (0, 0, 0)])
def test_a_sleep_until_that_is_put_off_ends_at_the_later_of_both(delay: int, until: int, slept: int) -> None:
    assert_took(slept, finish(sleeps_until_either.start(delay, until)), None)


# -- timeout


@workflow.define(name="tests event timeout")
async def event_timeout(step: WorkflowContext, own: int | None) -> list[Any]:
    begun = step.now()
    try:
        await step.with_options(timeout=3000).await_event("go", timeout=own)
    except TimeoutError:
        return [round((step.now() - begun).total_seconds()), None]
    return [0, None]


@pytest.mark.parametrize(("own", "seconds"), [(None, 3000), (500, 500)])
def test_the_timeout_of_an_event_can_be_an_option_and_its_own_wins(own: int | None, seconds: int) -> None:
    assert_took(seconds, finish(event_timeout.start(own)), None)


# -- retry


@workflow.define(name="tests retried kinds")
async def retried_kind(step: WorkflowContext, kind: str, attempts: int) -> Any:
    again = step.with_options(retry=RetryPolicy(max_attempts=attempts, initial_backoff=5, jitter=0))
    return await getattr(again, f"run_{kind}")(flaky, "flaky")


def flaky(name: str) -> int:
    steps.calls.append(("flaky", name))
    if len(steps.calls) < 3:
        raise steps.Unreachable(f"call {len(steps.calls)}")
    return len(steps.calls)


@both_ways
@pytest.mark.parametrize("kind", ["query", "mutation", "action"])
def test_every_kind_of_function_is_tried_again_where_it_is_asked_for(kind: str, replaying: bool) -> None:
    workflow_id = retried_kind.start(kind, 3)
    run(replaying=replaying)
    assert len(steps.calls) == 1
    assert finish(workflow_id, replaying=replaying) == Completed(3)
    row = Step.objects.get()
    assert (row.attempt, len(json.loads(row.failures))) == (3, 2)


@pytest.mark.parametrize("kind", ["query", "mutation", "action"])
def test_the_last_failure_is_the_steps(kind: str) -> None:
    status = finish(retried_kind.start(kind, 2))
    assert isinstance(status, Failed)
    assert status.error == "call 2"


@workflow.define(name="tests retried mutation")
async def retried_mutation(step: WorkflowContext) -> int:
    return await step.with_options(retry=RetryPolicy(max_attempts=5, initial_backoff=1)).run_mutation(insert_and_fail)


def insert_and_fail() -> int:
    Effect.objects.create(key=f"k{len(steps.calls)}")
    return flaky("mutation")


@both_ways
def test_a_mutation_that_is_tried_again_has_one_effect(replaying: bool) -> None:
    assert finish(retried_mutation.start(), replaying=replaying) == Completed(3)
    assert Effect.objects.get().key == "k2"


@workflow.define(name="tests defaults retry", retry_actions_by_default=True)
async def retries_by_default(step: WorkflowContext) -> str:
    try:
        await step.run_mutation(insert_and_fail)
    except StepFailed as error:
        return error.message
    return "it was tried again"


def test_the_default_is_for_actions_only() -> None:
    assert finish(retries_by_default.start()) == Completed("call 1")


# -- what makes no sense


@workflow.define(name="tests options at odds")
async def at_odds(step: WorkflowContext, kind: str, options: dict[str, Any]) -> str:
    if options.get("run_at"):
        options["run_at"] = step.now() + HOUR
    try:
        await CALLS[kind](step.with_options(**options))
    except Exception as error:  # noqa: BLE001 - its type is the result
        return f"{type(error).__name__}: {error}"
    return "accepted"


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("child", {"retry": True}, "its own steps are tried again"),
        ("child", {"timeout": 5}, "async with asyncio.timeout(...)"),
        ("child", {"inline": True}, "only queries and mutations"),
        ("sleep", {"timeout": 5}, "sleep less long"),
        ("sleep", {"inline": True}, "only queries and mutations"),
        ("sleep_until", {"timeout": 5}, "sleep less long"),
        ("event", {"inline": True}, "only queries and mutations"),
        ("event", {"retry": True}, "nothing to try again"),
        ("made", {"run_after": 5}, "made at once"),
        ("made", {"run_at": True}, "made at once"),
        ("made", {"name": "x"}, "named as the event"),
        ("action", {"inline": True}, "only queries and mutations"),
        ("mutation", {"inline": True, "retry": True}, "inline steps"),
    ],
)
def test_an_option_that_a_kind_cannot_have_is_an_error(kind: str, options: dict[str, Any], message: str) -> None:
    result = finish(at_odds.start(kind, options)).result  # type: ignore[union-attr]
    assert result.startswith("InvalidStep: ")
    assert message in result
    assert Workflow.objects.count() == 1


@pytest.mark.parametrize("kind", ["sleep", "sleep_until", "made", "child", "query"])
@pytest.mark.parametrize("options", [{"retry": False}, {"queue": "default"}, {"priority": 3}, {"unstable_args": True}])
def test_options_that_have_nothing_to_say_of_a_kind_do_no_harm(kind: str, options: dict[str, Any]) -> None:
    if options == {"queue": "default"}:
        options = {"queue": "tests"}
    assert at_odds.start(kind, options)
    run()
    run(queue="tests")
    advance(61)
    run()
    assert Workflow.objects.filter(parent=None).get().result == '"accepted"'
