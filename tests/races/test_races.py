"""Two and more connections at the same moment: whatever comes out, some order one after the other would give it too.

Each race is run many times, each time with other small delays. Nobody waits without a limit.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError

from django_workflows import (
    Canceled,
    Completed,
    EventAlreadySent,
    Failed,
    InProgress,
    WorkflowAlreadyRunning,
    WorkflowContext,
    WorkflowManager,
    WorkflowNotFound,
    WorkflowNotRunning,
    WorkflowStillRunning,
)
from django_workflows.engine.advance import take_turn
from django_workflows.engine.drain import drain
from django_workflows.engine.live import live_handlers
from django_workflows.engine.run_step import run_step
from django_workflows.engine.worker import Worker
from django_workflows.models import Step, Workflow
from django_workflows.store import workflows as workflow_store
from tests.app.models import Effect
from tests.engine.conftest import Elsewhere
from tests.engine.driver import advance, become_another_process, claim
from tests.races import flows
from tests.races.invariants import check

SEEDS = range(int(os.environ.get("DJANGO_WORKFLOWS_TEST_RACES", "5")))
seeds = pytest.mark.parametrize("seed", SEEDS)
workflow = WorkflowManager()
narrow = WorkflowManager(max_parallelism=3, name="tests.races.narrow")


# -- what races


@workflow.define
async def spread(step: WorkflowContext, count: int) -> int:
    results = await asyncio.gather(*(step.run_mutation(flows.note_effect) for _ in range(count)))
    return len(results)


@workflow.define
async def waits(step: WorkflowContext) -> list[int]:
    return [await step.await_event("go")]


@workflow.define
async def works_then_waits(step: WorkflowContext) -> list[int]:
    await step.run_mutation(flows.note_effect)
    return [await step.await_event("go")]


@workflow.define
async def waits_in_time(step: WorkflowContext) -> list[int]:
    try:
        async with asyncio.timeout(20):
            return [await step.await_event("go")]
    except TimeoutError:
        return [0, await step.await_event("go")]


@workflow.define
async def one_mutation(step: WorkflowContext) -> str:
    await step.run_mutation(flows.note_effect)
    return "done"


@workflow.define
async def one_action(step: WorkflowContext) -> int:
    return await step.run_action(flows.act)


@workflow.define
async def three_children(step: WorkflowContext) -> list[str]:
    return list(await asyncio.gather(*(step.run_workflow(one_mutation) for _ in range(3))))


@workflow.define
async def goes_on(step: WorkflowContext, got: list[int] = []) -> list[int]:  # noqa: B006
    if len(got) < 4:
        await step.run_mutation(flows.note_effect)
        step.continue_as_new([*got, await step.await_event("go")])
    return got


@narrow.define
async def narrow_spread(step: WorkflowContext, count: int) -> int:
    return sum(await asyncio.gather(*(step.run_action(in_the_pool) for _ in range(count))))


inside: set[int] = set()
most: list[int] = []


def in_the_pool() -> int:
    inside.add(threading.get_ident())
    most.append(len(inside))
    time.sleep(0.002)
    inside.discard(threading.get_ident())
    return 1


# -- how


class Race:
    """Runs functions at the same moment, each on a connection of its own, after a small delay of its own."""

    def __init__(self, elsewhere: Elsewhere, seed: int) -> None:
        self._elsewhere = elsewhere
        self._random = random.Random(seed)

    def __call__(self, *functions: Callable[[], Any]) -> list[Any]:
        outcomes = self._elsewhere.together([self._late(function) for function in functions])
        for outcome in outcomes:
            assert not isinstance(outcome, (DatabaseError, AssertionError)), outcome
        check()
        return outcomes

    def _late(self, function: Callable[[], Any]) -> Callable[[], Any]:
        delay = self._random.choice([0.0, 0.0, 0.001, 0.002, 0.004, 0.008])

        def run() -> Any:
            time.sleep(delay)
            return function()

        return run


@pytest.fixture
def race(elsewhere: Elsewhere, seed: int) -> Race:
    flows.acted.clear()
    return Race(elsewhere, seed)


def work() -> None:
    drain(Worker(), seconds=20)


def end_all(*ids: UUID) -> list[Any]:
    """Let a fresh worker do all that is left, and move the clock where something falls due later; how they stand."""
    become_another_process()
    for _ in range(60):
        work()
        check()
        seconds = workflow_store.next_due("")
        if seconds is None:
            break
        advance(max(0.0, seconds) + 0.001)
    return [flows.workflow.status(each) for each in ids]


def effects() -> int:
    return Effect.objects.filter(value__startswith="step ").count()


def asked(definition: Any, *args: Any) -> UUID:
    """A workflow that has asked for its first steps, of which none was claimed."""
    workflow_id = definition.start(*args)
    take_turn(workflow_id, None, None)
    live_handlers.clear()
    return workflow_id


# -- steps and turns


@seeds
@pytest.mark.parametrize("live", [False, True], ids=["replayed", "live"])
def test_no_wake_up_is_lost_when_parallel_steps_end_together(race: Race, seed: int, live: bool) -> None:
    workflow_id = spread.start(4)
    take_turn(workflow_id, None, None)
    if not live:
        live_handlers.clear()
    claimed = [claim(f"worker {index}") for index in range(4)]
    race(*(lambda step=step: run_step(step, None) for step in claimed))
    assert end_all(workflow_id) == [Completed(4)]
    assert effects() == 4


@seeds
def test_two_turns_of_one_workflow_are_taken_one_after_the_other(race: Race, seed: int) -> None:
    workflow_id = works_then_waits.start()
    race(lambda: take_turn(workflow_id, 1, None), lambda: take_turn(workflow_id, 1, None), work)
    assert end_all(workflow_id) == [InProgress(["go"])]
    assert effects() == 1


@seeds
def test_a_late_completion_and_whoever_took_over_have_one_effect(race: Race, seed: int) -> None:
    workflow_id = asked(one_mutation)
    first = claim("first")
    advance(31)
    second = claim("second")
    assert second.attempt == 2
    race(lambda: run_step(first, ""), lambda: run_step(second, ""), work)
    assert end_all(workflow_id) == [Completed("done")]
    assert effects() == 1


@seeds
def test_a_takeover_at_the_moment_of_completion_ends_the_step_once(race: Race, seed: int) -> None:
    workflow_id = asked(one_action)
    first = claim("first")
    advance(31)
    race(lambda: run_step(first, ""), work)
    (status,) = end_all(workflow_id)
    assert status == Completed(flows.outcome_of(1, 1)) or (isinstance(status, Failed) and "was lost" in status.error)
    assert len(flows.acted) == 1


@seeds
def test_never_more_steps_of_a_pool_than_its_limit_and_none_is_left(race: Race, seed: int) -> None:
    inside.clear()
    most.clear()
    ids = [narrow_spread.start(6), narrow_spread.start(4)]
    race(work, work, work, work)
    assert end_all(*ids) == [Completed(6), Completed(4)]
    assert max(most) <= 3


@seeds
def test_canceling_who_has_places_stalls_nobody(race: Race, seed: int) -> None:
    inside.clear()
    most.clear()
    first, second = asked(narrow_spread, 6), asked(narrow_spread, 6)
    race(work, lambda: flows.workflow.cancel(first, force=bool(seed % 2)), work, work)
    states = [flows.workflow.status(each).type for each in (first, second)]
    assert states[0] in ("canceled", "completed")
    assert states[1] == "completed", "nothing has to wait for another worker"
    assert max(most) <= 3


# -- events


@seeds
def test_an_event_that_meets_its_wait_is_taken(race: Race, seed: int) -> None:
    workflow_id = works_then_waits.start()
    race(work, lambda: flows.workflow.send_event(workflow_id, "go", 7), work)
    assert end_all(workflow_id) == [Completed([7])]


@seeds
def test_an_event_that_meets_the_timeout_is_taken_before_or_after(race: Race, seed: int) -> None:
    workflow_id = asked(waits_in_time)
    advance(20.001)
    race(work, lambda: flows.workflow.send_event(workflow_id, "go", 7), work)
    (status,) = end_all(workflow_id)
    assert status in (Completed([7]), Completed([0, 7]))


@seeds
def test_of_two_sends_of_one_event_one_wins(race: Race, seed: int) -> None:
    workflow_id = asked(waits)
    event_id = flows.workflow.create_event(workflow_id, "go")

    def send(value: int) -> Callable[[], Any]:
        return lambda: flows.workflow.send_event(event_id=event_id, value=value)

    outcomes = race(send(1), send(2))
    assert [type(each) for each in outcomes].count(EventAlreadySent) == 1
    assert end_all(workflow_id) == [Completed([1 if outcomes[0] == event_id else 2])]


@seeds
def test_every_event_reaches_a_workflow_that_continues_as_new(race: Race, seed: int) -> None:
    workflow_id = goes_on.start()

    def send(value: int) -> Callable[[], Any]:
        return lambda: flows.workflow.send_event(workflow_id, "go", value)

    race(work, send(1), send(2), send(3), send(4), work)
    (status,) = end_all(workflow_id)
    assert sorted(status.result) == [1, 2, 3, 4]


# -- cancellation


@seeds
@pytest.mark.parametrize("force", [False, True], ids=["graceful", "force"])
def test_a_cancel_that_meets_the_completion(race: Race, seed: int, force: bool) -> None:
    workflow_id = asked(one_mutation)
    step = claim()
    outcome, _ = race(lambda: flows.workflow.cancel(workflow_id, force=force), lambda: run_step(step, ""))
    (status,) = end_all(workflow_id)
    if isinstance(outcome, WorkflowNotRunning):
        assert (status, effects()) == (Completed("done"), 1)
    else:
        assert outcome is None
        assert status == Canceled()


@seeds
def test_a_cancel_that_meets_an_event(race: Race, seed: int) -> None:
    workflow_id = asked(waits)
    canceled, sent = race(
        lambda: flows.workflow.cancel(workflow_id), lambda: flows.workflow.send_event(workflow_id, "go", 7), work
    )[:2]
    (status,) = end_all(workflow_id)
    if isinstance(canceled, WorkflowNotRunning):
        assert status == Completed([7])
        assert isinstance(sent, UUID)
    else:
        assert canceled is None
        assert status == Canceled()


@seeds
@pytest.mark.parametrize("force", [False, True], ids=["graceful", "force"])
def test_a_parent_that_is_canceled_as_its_children_end(race: Race, seed: int, force: bool) -> None:
    workflow_id = asked(three_children)
    for child in Workflow.objects.filter(parent=workflow_id):
        take_turn(child.id, None, None)
    claimed = [claim(f"worker {index}") for index in range(3)]
    ends = [lambda step=step: run_step(step, "") for step in claimed]
    outcome, *_ = race(lambda: flows.workflow.cancel(workflow_id, force=force), *ends)
    (status,) = end_all(workflow_id)
    assert status == (Canceled() if outcome is None else Completed(["done"] * 3))
    assert not Workflow.objects.filter(state="in_progress").exists()
    assert effects() == Step.objects.filter(kind="mutation", state="completed").count()


# -- restart and cleanup


@seeds
def test_a_restart_that_meets_a_cleanup(race: Race, seed: int) -> None:
    workflow_id = one_mutation.start()
    work()
    restarted, deleted = race(lambda: flows.workflow.restart(workflow_id), lambda: flows.workflow.cleanup(workflow_id))
    if deleted:
        assert not Workflow.objects.exists()
        assert not Step.objects.exists()
        assert restarted is None or isinstance(restarted, WorkflowNotFound)
    else:
        assert restarted is None
        assert end_all(workflow_id) == [Completed("done")]


@seeds
def test_a_child_that_is_restarted_as_its_parent_is_cleaned_up(race: Race, seed: int) -> None:
    workflow_id = three_children.start()
    work()
    child = Workflow.objects.filter(parent=workflow_id).order_by("id")[1].id
    restarted, deleted = race(lambda: flows.workflow.restart(child, 0), lambda: flows.workflow.cleanup(workflow_id))
    if deleted:
        assert isinstance(restarted, WorkflowNotFound)
        assert not Workflow.objects.exists()
    else:
        assert restarted is None
        assert end_all(child, workflow_id) == [Completed("done"), Completed(["done"] * 3)]


@seeds
def test_a_parent_that_is_restarted_as_its_children_work(race: Race, seed: int) -> None:
    workflow_id = three_children.start()
    work()
    for child in Workflow.objects.filter(parent=workflow_id):
        flows.workflow.restart(child.id, 0)
    outcome, *_ = race(lambda: flows.workflow.restart(workflow_id, 0), work, work)
    assert outcome is None
    assert end_all(workflow_id) == [Completed(["done"] * 3)]
    assert Workflow.objects.count() == 4


@seeds
def test_two_restarts_of_one_workflow(race: Race, seed: int) -> None:
    workflow_id = one_mutation.start()
    work()
    outcomes = race(*[lambda: flows.workflow.restart(workflow_id, 0)] * 2)
    assert [type(each) for each in outcomes].count(WorkflowStillRunning) == 1
    assert end_all(workflow_id) == [Completed("done")]
    assert effects() == 2


@seeds
def test_a_cleanup_that_meets_on_complete(race: Race, seed: int) -> None:
    workflow_id = one_mutation.with_options(on_complete=flows.note_end).start()
    outcomes = race(work, lambda: flows.workflow.cleanup(workflow_id), lambda: flows.workflow.cleanup(workflow_id))
    end_all()
    assert Effect.objects.filter(value__startswith="end ").count() == 1
    assert outcomes[1:].count(True) == (0 if Workflow.objects.exists() else 1)


# -- keys


@pytest.mark.parametrize("seed", SEEDS[:4])
@pytest.mark.parametrize("option", ["idempotency_key", "key"])
def test_twenty_starts_of_one_key_are_one_workflow(race: Race, seed: int, option: str) -> None:
    started = race(*[lambda: waits.with_options(**{option: "k"}).start()] * 20)
    assert len(set(started)) == 1, started
    assert Workflow.objects.get().id == started[0]


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_starts_of_one_key_as_its_workflow_ends(race: Race, seed: int) -> None:
    one_mutation.with_options(key="k").start()

    def start() -> UUID:
        return one_mutation.with_options(key="k", if_running="raise").start()

    outcomes = race(work, *[start] * 6, work)[1:-1]
    ids = [each for each in outcomes if isinstance(each, UUID)]
    assert len(set(ids)) == len(ids), "each start that did not raise has stored a workflow"
    assert all(isinstance(each, (UUID, WorkflowAlreadyRunning)) for each in outcomes), outcomes
    assert end_all(*ids) == [Completed("done")] * len(ids)
    assert effects() == Workflow.objects.count() == len(ids) + 1


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_starts_of_an_idempotency_key_as_its_workflow_is_cleaned_up(race: Race, seed: int) -> None:
    first = one_mutation.with_options(idempotency_key="k").start()
    work()
    outcomes = race(
        *[lambda: one_mutation.with_options(idempotency_key="k").start()] * 4, lambda: flows.workflow.cleanup(first)
    )
    assert outcomes[-1] is True
    others = set(outcomes[:-1]) - {first}
    assert set(Workflow.objects.values_list("id", flat=True)) == others
    assert len(others) <= 1
