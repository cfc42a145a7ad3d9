"""A worker stands still while it holds several steps, for longer than its lease: nothing of what it does then counts.

What it had not begun it does not begin any more, and gives nothing back that is another's by now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from django_workflows import Completed, WorkflowContext, WorkflowManager, current_step
from django_workflows.core.registry import registry
from django_workflows.engine import observe
from django_workflows.engine.advance import advance as take_claimed_turn
from django_workflows.engine.drain import drain
from django_workflows.engine.live import live_handlers
from django_workflows.engine.marks import Marks, marks, unbegun
from django_workflows.engine.pace import pace
from django_workflows.engine.run_step import run_step
from django_workflows.engine.worker import Worker
from django_workflows.models import Step
from django_workflows.store import workflows as workflow_store
from tests.engine.driver import advance, claim, finish
from tests.waiting import PATIENCE

workflow = WorkflowManager()
COUNT = 4

#: Each run of ``act``: workflow, generation, number, attempt.
acted: list[tuple[UUID, int, int, int]] = []
#: What happens while the first run of all stands still.
meanwhile: list[Callable[[], None]] = []


def act(number: int) -> str:
    """Returns who ran it."""
    attempt = current_step().attempt_id
    acted.append(tuple(attempt))
    if meanwhile:
        meanwhile.pop()()
    return f"{attempt.generation}.{attempt.attempt}"


@workflow.define(name="frozen.careless")
async def careless(step: WorkflowContext) -> list[str]:
    return [await step.run_action(act, number) for number in range(2)]


@workflow.define(name="frozen.careful")
async def careful(step: WorkflowContext) -> list[str]:
    again = step.with_options(retry=True)
    return [await again.run_action(act, number) for number in range(2)]


@pytest.fixture(autouse=True)
def batches() -> Iterator[None]:
    acted.clear()
    meanwhile.clear()
    pace.be(16)
    yield
    pace.be(None)


@contextmanager
def another_process() -> Iterator[None]:
    """The memory of a process is the frozen one's own."""
    handlers, functions, page = live_handlers._handlers, registry.functions, dict(vars(marks))
    live_handlers._handlers, registry.functions = type(handlers)(), {}
    vars(marks).update(vars(Marks()))
    try:
        yield
    finally:
        live_handlers._handlers, registry.functions = handlers, functions
        vars(marks).clear()
        vars(marks).update(page)


def work() -> None:
    drain(Worker(batches=True), seconds=PATIENCE)


def test_from_the_first_step_on_it_is_known_what_was_not_begun() -> None:
    """Should its process be killed, that is no attempt that was lost; see ``engine/marks``."""
    ids = careless.start_many([() for _ in range(COUNT)])
    found: list[object] = []
    meanwhile.append(lambda: found.extend(marked()))
    work()
    assert found == [(each, 1, 0, 1) for each in ids if each != acted[0][0]]


def test_what_others_took_over_and_ended_stays_as_they_left_it() -> None:
    ids = careful.start_many([() for _ in range(COUNT)])

    def take_over() -> None:
        advance(31)
        with another_process():
            for each in ids:
                finish(each)

    meanwhile.append(take_over)
    work()
    assert [observe.status(each) for each in ids] == [Completed(["1.2", "1.1"])] * COUNT
    late = [run for run in acted if run[3] == 1 and run[2] == 0]
    assert len(late) == 1, "only what it had begun before it stood still"


def test_what_others_took_over_and_still_run_is_not_given_back() -> None:
    ids = careless.start_many([() for _ in range(COUNT)])
    taken = []

    def take_over() -> None:
        advance(31)
        with another_process():
            taken.extend(claim() for _ in ids)

    meanwhile.append(take_over)
    work()
    found = Step.objects.filter(number=0).values_list("workflow_id", "state", "attempt")
    assert set(found) == {(each.workflow_id, "running", 2) for each in taken}
    assert len(acted) == 1


def test_what_runs_anew_after_a_restart_is_not_given_back(hurry: Callable[[], None]) -> None:
    """Steps and attempts of before and after bear the same numbers; only the generation tells them apart."""
    ids = careless.start_many([() for _ in range(COUNT)])
    taken, held = [], []

    def start_over() -> None:
        for each in ids:
            workflow.cancel(each, force=True)
            workflow.restart(each, 0)
        with another_process():
            while (record := workflow_store.claim_turn("", "another worker")) is not None:
                take_claimed_turn(record, None)
            taken.extend(claim() for _ in ids)
        held.append(len(marked()))
        hurry()
        until = time.monotonic() + PATIENCE
        while marked() and time.monotonic() < until:  # the thread that looks after the batch gives back
            time.sleep(0.02)

    meanwhile.append(start_over)
    work()
    assert held == [COUNT - 1]
    found = Step.objects.values_list("workflow_id", "number", "state", "attempt", "claimed_by")
    assert set(found) == {(each, 0, "running", 1, "another worker") for each in ids}
    for step in taken:
        run_step(step, "")
    work()
    assert [observe.status(each) for each in ids] == [Completed(["2.1", "2.1"])] * COUNT
    assert len({run for run in acted if run[1] == 2}) == 2 * COUNT


def marked() -> list[object]:
    """The attempts that this process holds and has not begun."""
    return unbegun(marks._worker)


def test_what_was_not_begun_is_given_back_and_not_begun_late() -> None:
    """Nobody has taken it over yet; it is run as if it had not been held."""
    ids = careless.start_many([() for _ in range(COUNT)])
    meanwhile.append(lambda: advance(31))
    work()
    lost = Step.objects.get(workflow_id=acted[0][0], number=0)
    assert lost.state in ("completed", "failed")
    for each in ids:
        finish(each)
    assert len({run[:3] for run in acted}) == len(acted), "an action without retry was begun twice"
    assert [observe.status(each) for each in ids].count(Completed(["1.1", "1.1"])) >= COUNT - 1
