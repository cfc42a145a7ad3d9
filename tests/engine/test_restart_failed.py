"""A restart runs again what failed: what ended the workflow, and nothing that it went on from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync

from django_workflows import (
    FAILED,
    KEEP,
    Completed,
    InvalidArguments,
    StepFailed,
    StepNotFound,
    WorkflowContext,
    WorkflowStillRunning,
)
from django_workflows.models import Event, Step, Workflow
from tests.app.workflows import asks_approval, sums, workflow
from tests.engine.driver import advance, finish, run

both_ways = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])

#: What fails, and how often each was called.
broken: set[str] = set()
calls: list[str] = []


class Down(Exception):
    """A service is."""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    broken.clear()
    calls.clear()
    yield
    broken.clear()


def call(name: str) -> str:
    calls.append(name)
    if name in broken:
        raise Down(f"{name} is down")
    return name


def seen() -> list[str]:
    found, calls[:] = sorted(calls), []
    return found


def broke(definition: Any, *args: Any, down: str) -> UUID:
    broken.update(down.split())
    workflow_id: UUID = definition.start(*args)
    assert finish(workflow_id).type == "failed"
    seen()
    broken.clear()
    return workflow_id


@workflow.define(name="restarts one after the other")
async def in_turn(step: WorkflowContext) -> str:
    return "".join([await step.run_action(call, name) for name in "abc"])


@workflow.define(name="restarts a gather")
async def gathers(step: WorkflowContext, count: int, how: str) -> int:
    asked = [step.run_action(call, f"n{number}") for number in range(count)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    errors = [each for each in results if isinstance(each, Exception)]
    if errors and how == "group":
        raise ExceptionGroup("some failed", errors)
    if errors and how == "cause":
        raise ValueError(f"{len(errors)} failed") from ExceptionGroup("some failed", errors)
    if errors and how == "first":
        raise errors[0]
    if errors:
        raise ValueError(f"{len(errors)} failed")
    return len(results)


@workflow.define(name="restarts a gather that gives up at once")
async def gives_up_at_once(step: WorkflowContext, count: int) -> int:
    return len(await asyncio.gather(*(step.run_action(call, f"n{number}") for number in range(count))))


@workflow.define(name="restarts after a caught failure")
async def catches(step: WorkflowContext) -> str:
    try:
        await step.run_action(call, "optional")
    except StepFailed:
        await step.run_action(call, "instead")
    return await step.run_action(call, "last")


@workflow.define(name="restarts after a clean-up")
async def cleans(step: WorkflowContext) -> str:
    try:
        return await step.run_action(call, "a")
    except StepFailed:
        await step.run_action(call, "clean-up")
        raise


@workflow.define(name="restarts another error")
async def raises_another(step: WorkflowContext, how: str) -> str:
    try:
        return await step.run_action(call, "a")
    except StepFailed as error:
        await step.run_action(call, "clean-up")
        if how == "from":
            raise ValueError("another") from error
        if how == "from none":
            raise ValueError("another") from None
        raise ValueError("another")  # noqa: B904 - as many do


@workflow.define(name="restarts a task group")
async def task_group(step: WorkflowContext) -> str:
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        first = group.create_task(one_task(step, "a"))
        second = group.create_task(waiting_task(step))
    return first.result() + second.result()


async def one_task(step: WorkflowContext, name: str) -> str:
    return await step.run_action(call, name)


async def waiting_task(step: WorkflowContext) -> str:
    return str(await step.await_event("restart_go"))


@workflow.define(name="restarts a child")
async def child(step: WorkflowContext) -> str:
    await step.run_action(call, "before")
    return await step.run_action(call, "inner")


@workflow.define(name="restarts its child")
async def parent(step: WorkflowContext) -> str:
    await step.run_action(call, "outer")
    return await step.run_workflow(child)


@workflow.define(name="restarts its grandchild")
async def grandparent(step: WorkflowContext) -> str:
    return await step.run_workflow(parent)


@workflow.define(name="restarts a bug")
async def has_a_bug(step: WorkflowContext) -> str:
    await step.run_action(call, "a")
    if "bug" in broken:
        raise ValueError("a bug")
    return "fixed"


@workflow.define(name="restarts inline steps")
async def inline(step: WorkflowContext) -> str:
    found = [await step.with_options(inline=True).run_query(call, name) for name in "abc"]
    return "".join(found)


@workflow.define(name="restarts a wait")
async def waits(step: WorkflowContext) -> str:
    await step.run_action(call, "a")
    return str(await step.await_event("word", timeout=60))


@both_ways
def test_what_failed_runs_again_and_what_came_before_does_not(replaying: bool) -> None:
    workflow_id = broke(in_turn, down="b")
    workflow.restart(workflow_id)
    assert finish(workflow_id, replaying=replaying) == Completed("abc")
    assert seen() == ["b", "c"]


@both_ways
@pytest.mark.parametrize("how", ["group", "cause", "first", "plain"])
def test_of_many_at_once_those_that_failed_run_again(how: str, replaying: bool) -> None:
    workflow_id = broke(gathers, 300, how, down="n7 n150 n299")
    workflow.restart(workflow_id, FAILED)
    assert finish(workflow_id, replaying=replaying) == Completed(300)
    assert seen() == ["n150", "n299", "n7"]


def test_a_failure_that_stays_a_failure_ends_it_as_before() -> None:
    workflow_id = broke(gathers, 5, "plain", down="n1 n3")
    broken.add("n3")
    workflow.restart(workflow_id)
    assert finish(workflow_id).type == "failed"
    assert seen() == ["n1", "n3"]
    broken.clear()
    workflow.restart(workflow_id)
    assert finish(workflow_id) == Completed(5)
    assert seen() == ["n3"]


@both_ways
def test_a_gather_that_gives_up_at_the_first_failure(replaying: bool) -> None:
    workflow_id = broke(gives_up_at_once, 10, down="n2 n3 n8")
    kept = set(Step.objects.filter(workflow=workflow_id, state="completed").values_list("number", flat=True))
    workflow.restart(workflow_id, None)
    assert finish(workflow_id, replaying=replaying) == Completed(10)
    assert seen() == sorted(f"n{number}" for number in set(range(10)) - kept)


@both_ways
def test_a_failure_that_the_function_went_on_from_stays(replaying: bool) -> None:
    workflow_id = broke(catches, down="optional last")
    workflow.restart(workflow_id)
    assert finish(workflow_id, replaying=replaying) == Completed("last")
    assert seen() == ["last"]


@both_ways
def test_what_was_asked_for_after_the_failure_is_dropped(replaying: bool) -> None:
    workflow_id = broke(cleans, down="a")
    workflow.restart(workflow_id)
    assert finish(workflow_id, replaying=replaying) == Completed("a")
    assert seen() == ["a"]
    assert workflow.steps(workflow_id).count() == 1


@both_ways
@pytest.mark.parametrize("how", ["from", "from none", "without"])
def test_a_failure_in_whose_handling_another_error_was_raised(how: str, replaying: bool) -> None:
    workflow_id = broke(raises_another, how, down="a")
    workflow.restart(workflow_id)
    assert finish(workflow_id, replaying=replaying) == Completed("a")
    assert seen() == ["a"]


@both_ways
def test_what_a_task_group_gave_up_waits_again_and_its_timeout_begins_anew(replaying: bool) -> None:
    workflow_id = broke(task_group, down="a")
    workflow.restart(workflow_id)
    run(replaying=replaying)
    workflow.send_event(workflow_id, "restart_go", "go")
    assert finish(workflow_id, replaying=replaying) == Completed("ago")
    assert seen() == ["a"]


def test_with_keep_the_failure_stays() -> None:
    workflow_id = broke(in_turn, down="b")
    workflow.restart(workflow_id, KEEP)
    assert finish(workflow_id).type == "failed"
    assert seen() == []


def test_where_no_step_failed_the_whole_journal_stays() -> None:
    workflow_id = broke(has_a_bug, down="bug")
    workflow.restart(workflow_id)
    assert finish(workflow_id) == Completed("fixed")
    assert seen() == []
    workflow.restart(workflow_id)
    assert finish(workflow_id) == Completed("fixed")
    assert seen() == []


@both_ways
@pytest.mark.parametrize(("definition", "again"), [(parent, ["inner"]), (grandparent, ["inner"])])
def test_a_child_that_failed_is_restarted_itself(definition: Any, again: list[str], replaying: bool) -> None:
    workflow_id = broke(definition, down="inner")
    family = set(Workflow.objects.values_list("id", flat=True))
    workflow.restart(workflow_id)
    assert finish(workflow_id, replaying=replaying) == Completed("inner")
    assert seen() == again
    assert set(Workflow.objects.values_list("id", flat=True)) == family


def test_a_child_that_was_canceled_goes_on() -> None:
    @workflow.define(name="restarts a canceled child")
    async def waiting_parent(step: WorkflowContext) -> str:
        return await step.run_workflow(asks_approval)

    workflow_id = waiting_parent.start()
    run()
    below = Workflow.objects.get(parent=workflow_id)
    workflow.cancel(below.id)
    assert finish(workflow_id).type == "failed"
    workflow.restart(workflow_id)
    run()
    workflow.send_event(below.id, "approval", True)
    assert finish(workflow_id) == Completed("yes")


def test_a_child_that_is_gone_is_begun_anew() -> None:
    workflow_id = broke(parent, down="inner")
    Step.objects.filter(workflow__parent=workflow_id).delete()
    Workflow.objects.filter(parent=workflow_id).delete()
    workflow.restart(workflow_id)
    assert finish(workflow_id) == Completed("inner")
    assert seen() == ["before", "inner"]


@both_ways
def test_an_inline_step_that_failed(replaying: bool) -> None:
    workflow_id = broke(inline, down="b")
    workflow.restart(workflow_id)
    assert finish(workflow_id, replaying=replaying) == Completed("abc")
    assert seen() == ["b", "c"]


@pytest.mark.parametrize("late", [True, False])
def test_a_wait_that_failed_waits_again(late: bool) -> None:
    workflow_id = waits.start()
    run()
    if late:
        advance(61)
    else:
        workflow.send_event(workflow_id, "word", error="no")
    assert finish(workflow_id).type == "failed"
    workflow.restart(workflow_id)
    run()
    assert workflow.status(workflow_id).running == ["word"]
    workflow.send_event(workflow_id, "word", "yes")
    assert finish(workflow_id) == Completed("yes")
    assert Event.objects.filter(workflow=workflow_id).count() == 1


@both_ways
@pytest.mark.parametrize(("definition", "args", "down"), [(in_turn, (), "b"), (gathers, (20, "plain"), "n3 n9")])
def test_a_journal_of_an_earlier_version(definition: Any, args: tuple[Any, ...], down: str, replaying: bool) -> None:
    workflow_id = broke(definition, *args, down=down)
    Step.objects.update(reached=None)
    workflow.restart(workflow_id)
    assert finish(workflow_id, replaying=replaying).type == "completed"
    assert set(down.split()) <= set(seen())


@pytest.mark.parametrize("wrong", [True, False, 1.0, 0.5, b"a", {}, [1], object()])
def test_what_is_no_step_is_refused(wrong: Any) -> None:
    workflow_id = sums.start([1])
    finish(workflow_id)
    with pytest.raises(InvalidArguments, match="FAILED or KEEP"):
        workflow.restart(workflow_id, wrong)
    assert workflow.status(workflow_id) == Completed(1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (-1, "no step number -1: its steps are 0 to 0"),
        (1, "are 0 to 0"),
        (10**30, "are 0 to 0"),
        ("tests.app.steps.ad", "Did you mean 'tests.app.steps.add'"),
        ("a\0b", "no step of the name"),
        ("", "no step of the name"),
    ],
)
def test_a_step_that_is_not_there_is_refused(wrong: Any, said: str) -> None:
    workflow_id = sums.start([1])
    finish(workflow_id)
    with pytest.raises(StepNotFound, match=said):
        workflow.restart(workflow_id, wrong)
    assert workflow.status(workflow_id) == Completed(1)


def test_one_that_runs_is_refused_with_what_to_do() -> None:
    workflow_id = asks_approval.start()
    run()
    with pytest.raises(WorkflowStillRunning, match="Cancel it first"):
        workflow.restart(workflow_id, 0)


@pytest.mark.parametrize("given", [(), (FAILED,), (1,)])
def test_the_async_twin_does_the_same(given: tuple[Any, ...]) -> None:
    workflow_id = broke(in_turn, down="b")
    async_to_sync(workflow.arestart)(workflow_id, *given)  # in this thread, with its connection
    assert finish(workflow_id).type == "completed"
    assert seen() == ["b", "c"], "a has its result"
