"""Orders of events that a race can bring about, each made to happen on purpose."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from django_workflows import Canceled, Completed, InProgress, WorkflowContext
from django_workflows.engine import start as start_verb
from django_workflows.engine.advance import take_turn
from django_workflows.engine.run_step import run_step
from django_workflows.models import Workflow
from tests.app import steps
from tests.app.models import Effect
from tests.app.workflows import limited, workflow
from tests.engine.driver import advance, claim, finish, run


@workflow.define
async def asks_twice(step: WorkflowContext) -> str:
    try:
        async with asyncio.timeout(10):
            return f"at once {await step.await_event('answer')}"
    except TimeoutError:
        return f"late {await step.await_event('answer')}"


@workflow.define
async def asks_anew(step: WorkflowContext, again: bool = False) -> str:
    if again:
        return f"late {await step.await_event('answer')}"
    answer, pause = step.await_event("answer"), step.sleep(10)
    await asyncio.wait([answer, pause], return_when=asyncio.FIRST_COMPLETED)
    if not answer.done():
        step.continue_as_new(True)
    return f"at once {answer.result()}"


@workflow.define
async def gives_up_at_once(step: WorkflowContext) -> str:
    step.await_event("answer").cancel()
    step.with_options(inline=True).run_mutation(steps.insert_effect, "given up").cancel()
    await step.sleep(10)
    return await step.await_event("answer")


@workflow.define
async def goes_on_for_ever(step: WorkflowContext, number: int = 0) -> None:
    try:
        await step.await_event("answer")
    except asyncio.CancelledError:
        await step.run_mutation(steps.insert_effect, f"cleaned up {number}")
    step.continue_as_new(number + 1)


@workflow.define
async def cleans_up_for_a_while(step: WorkflowContext) -> str:
    try:
        return await step.await_event("answer")
    except asyncio.CancelledError:
        await step.sleep(60)
        raise


@workflow.define
async def asks_in_time(step: WorkflowContext) -> str:
    try:
        return await step.await_event("answer", timeout=100)
    except TimeoutError:
        return "nobody answered"


@limited.define
async def anew_beside_a_step(step: WorkflowContext, again: bool = False) -> str:
    if not again:
        both = [step.run_action(steps.add, 1, 1), step.run_action(steps.add, 2, 2), step.sleep(5)]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        step.continue_as_new(True)
    return await step.await_event("answer")


@limited.define
async def cleans_up_in_a_pool(step: WorkflowContext) -> None:
    try:
        await step.await_event("answer")
    except asyncio.CancelledError:
        await asyncio.gather(step.run_action(steps.add, 1, 1), step.run_action(steps.add, 2, 2))
        raise


@workflow.define
async def parent_of_cleaner(step: WorkflowContext) -> None:
    await step.run_workflow(cleans_up_in_a_pool)


@limited.define
async def one_limited(step: WorkflowContext) -> int:
    return await step.run_action(steps.add, 3, 3)


@workflow.define
async def gives_up_then_fails(step: WorkflowContext) -> str:
    slow = step.with_options(run_after=20).run_mutation(steps.insert_effect, "given up")
    quick = step.sleep(1)
    await asyncio.wait([slow, quick], return_when=asyncio.FIRST_COMPLETED)
    slow.cancel()
    return await step.await_event("answer")


@workflow.define
async def careful_child(step: WorkflowContext) -> str:
    try:
        return await step.await_event("answer")
    except asyncio.CancelledError:
        await step.sleep(5)
        await step.run_action(steps.act_then, "child")
        return "cleaned up"


@workflow.define
async def outlived_by_its_child(step: WorkflowContext, again: bool = False) -> str:
    if not again:
        given_up = step.run_workflow(careful_child)
        await step.sleep(1)
        given_up.cancel()
        await step.sleep(1)
        step.continue_as_new(True)
    return await step.await_event("answer")


@workflow.define
async def anew_at_once(step: WorkflowContext, number: int = 0) -> int:
    if number < 2:
        step.continue_as_new(number + 1)
    return number


both_ways = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


@both_ways
@pytest.mark.parametrize("definition", [asks_twice, asks_anew], ids=["timeout", "continue_as_new"])
def test_an_event_that_comes_after_the_timer_but_before_the_turn_is_not_lost(definition, replaying: bool) -> None:
    workflow_id = definition.start()
    run(replaying=replaying)
    advance(11)
    workflow.send_event(workflow_id, "answer", "yes")
    run(replaying=replaying)
    assert workflow.status(workflow_id) == Completed("late yes")


def test_what_is_given_up_in_the_same_turn_takes_no_event_and_has_no_effect() -> None:
    workflow_id = gives_up_at_once.start()
    workflow.send_event(workflow_id, "answer", "yes")
    assert finish(workflow_id) == Completed("yes")
    assert not Effect.objects.exists()


@both_ways
@pytest.mark.parametrize("before", [False, True], ids=["canceled while it waits", "canceled as it goes on"])
def test_who_was_canceled_does_not_continue_as_new(before: bool, replaying: bool) -> None:
    workflow_id = goes_on_for_ever.start()
    run(replaying=replaying)
    if before:
        workflow.send_event(workflow_id, "answer", "go on")
    workflow.cancel(workflow_id)
    assert finish(workflow_id, replaying=replaying) == Canceled()
    assert Effect.objects.count() == (0 if before else 1)


def test_an_event_sent_during_a_clean_up_is_taken_after_a_restart() -> None:
    workflow_id = cleans_up_for_a_while.start()
    run()
    workflow.cancel(workflow_id)
    workflow.send_event(workflow_id, "answer", "yes")
    assert finish(workflow_id) == Canceled()
    workflow.restart(workflow_id)
    run()
    assert workflow.status(workflow_id) == Completed("yes")


def test_a_wait_keeps_its_timeout_when_it_is_opened_again() -> None:
    workflow_id = asks_in_time.start()
    run()
    workflow.cancel(workflow_id)
    advance(1000)
    workflow.restart(workflow_id)
    run()
    assert workflow.status(workflow_id) == InProgress(["answer"])
    assert finish(workflow_id) == Completed("nobody answered")


def waits_for_a_place() -> UUID:
    other = one_limited.start()
    take_turn(other, None, None)
    assert claim() is None
    return other


def test_continuing_as_new_gives_places_back() -> None:
    workflow_id = anew_beside_a_step.start()
    take_turn(workflow_id, None, None)
    assert claim() is not None
    assert claim() is not None
    other = waits_for_a_place()
    advance(6)
    take_turn(workflow_id, None, None)
    assert finish(other) == Completed(6)


def test_restarting_a_parent_gives_the_places_of_its_children_back() -> None:
    workflow_id = parent_of_cleaner.start()
    run()
    workflow.cancel(workflow_id)
    assert workflow.status(workflow_id) == Canceled()
    assert claim() is not None
    assert claim() is not None
    other = waits_for_a_place()
    workflow.restart(workflow_id)
    assert finish(other) == Completed(6)


def test_a_restart_does_not_run_what_was_given_up() -> None:
    workflow_id = gives_up_then_fails.start()
    run()
    advance(2)
    run()
    workflow.cancel(workflow_id)
    workflow.restart(workflow_id)
    assert claim() is None
    run()
    assert workflow.status(workflow_id) == InProgress(["answer"])
    assert not Effect.objects.exists()


def test_a_child_of_an_earlier_run_ends_no_step_of_the_next() -> None:
    workflow_id = outlived_by_its_child.start()
    run()
    advance(1.1)
    run()
    child = Workflow.objects.get(parent=workflow_id)
    assert child.canceled_at_delivery is not None
    advance(5)
    take_turn(child.id, None, None)
    step = claim()
    assert step is not None
    assert step.workflow_id == child.id
    take_turn(workflow_id, None, None)
    take_turn(workflow_id, None, None)
    assert workflow.status(workflow_id) == InProgress(["answer"])
    run_step(step, "")
    assert workflow.status(child.id) == Completed("cleaned up")
    assert workflow.status(workflow_id) == InProgress(["answer"])


def test_beginning_at_once_may_continue_as_new() -> None:
    assert finish(anew_at_once.with_options(start_async=False).start()) == Completed(2)


def test_a_start_whose_first_was_cleaned_up_meanwhile_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    first = anew_at_once.with_options(idempotency_key="k").start()
    finish(first)
    find = start_verb.workflows.find_by_idempotency_key

    def cleaned_up(name: str, key: str) -> UUID | None:
        workflow.cleanup(first)
        return find(name, key)

    monkeypatch.setattr(start_verb.workflows, "find_by_idempotency_key", cleaned_up)
    second = anew_at_once.with_options(idempotency_key="k").start()
    assert workflow.status(second) == InProgress([])


def restart_once(workflow_id: UUID, result: object, context: object) -> None:
    """An ``on_complete`` that tries again."""
    if Workflow.objects.get(pk=workflow_id).generation == 1:
        workflow.restart(workflow_id)


def test_an_on_complete_may_restart_its_workflow() -> None:
    workflow_id = goes_on_after_a_failure.with_options(on_complete=restart_once).start()
    run()
    workflow.cancel(workflow_id)
    run()
    child = Workflow.objects.get(parent=workflow_id, state="in_progress")
    assert child.cancel_requested_at is None
    workflow.send_event(child.id, "answer", "yes")
    assert finish(workflow_id) == Completed("yes")


@workflow.define
async def goes_on_after_a_failure(step: WorkflowContext) -> str:
    return await step.run_workflow(asks_in_time)
