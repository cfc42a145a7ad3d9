"""Workflows with quick steps are led side by side: fewer commits, and everything else as if each were led alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from django_workflows import Completed, WorkflowContext, WorkflowManager, current_step
from django_workflows.engine import observe
from django_workflows.engine.drain import drain
from django_workflows.engine.marks import marks
from django_workflows.engine.pace import QUICK, Pace, pace
from django_workflows.engine.worker import Worker, give_back
from django_workflows.models import Step, Workflow
from django_workflows.store.database import now
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import advance
from tests.engine.dying import each_death
from tests.waiting import PATIENCE

workflow = WorkflowManager()
seen: list[tuple[str, int]] = []
to_do: list[object] = []


def look(number: int) -> int:
    """Notes how many steps of its workflow are completed when it is called."""
    workflow_id = current_step().attempt_id.workflow_id
    seen.append((str(workflow_id), Step.objects.filter(workflow_id=workflow_id, state="completed").count()))
    return number


def interfere(number: int) -> int:
    """Does what the test has put down for this number, once."""
    for entry in [each for each in to_do if each[0] == number]:
        to_do.remove(entry)
        entry[1]()
    return number


@workflow.define(name="batches.looks")
async def looks(step: WorkflowContext, count: int) -> int:
    return sum([await step.run_action(look, number) for number in range(count)])


@workflow.define(name="batches.interferes")
async def interferes(step: WorkflowContext, first: int) -> list[int]:
    return [await step.run_action(interfere, first + number) for number in range(3)]


@workflow.define(name="batches.retried")
async def retried(step: WorkflowContext, count: int) -> list[int]:
    careful = step.with_options(retry=True)
    return [await careful.run_action(steps.add, number, 1) for number in range(count)]


@pytest.fixture(autouse=True)
def batches() -> Iterator[None]:
    seen.clear()
    to_do.clear()
    pace.be(16)
    yield
    pace.be(None)


def run() -> int:
    return drain(Worker(batches=True), seconds=PATIENCE)


def commits(queries: CaptureQueriesContext) -> int:
    """How many commits there were that wrote something."""
    texts = [query["sql"] for query in queries.captured_queries]
    if connection.vendor == "sqlite":
        return texts.count("COMMIT")
    return sum("INSERT" in text or "UPDATE" in text for text in texts)


def results(ids: list[object]) -> list[object]:
    statuses = [observe.status(each) for each in ids]
    return [status.result if isinstance(status, Completed) else status.type for status in statuses]


# -- what it is for


def test_a_round_is_one_commit() -> None:
    ids = flows.sums.start_many([([1, 2, 3, 4],) for _ in range(16)])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        run()
    assert results(ids) == [10] * 16
    # Two claims, the first turns, a round for each of the four steps, and looks that find nothing; 16 x 6 else.
    assert commits(queries) <= 16


def test_of_each_workflow_every_step_is_committed_before_the_next_begins() -> None:
    ids = looks.start_many([(5,) for _ in range(8)])
    run()
    assert results(ids) == [10] * 8
    for each in ids:
        assert [count for workflow_id, count in seen if workflow_id == str(each)] == [0, 1, 2, 3, 4]
    assert len({workflow_id for workflow_id, _ in seen[:8]}) == 8, "they were not led side by side"


def test_steps_of_one_workflow_that_end_together_are_one_commit() -> None:
    workflow_id = flows.parallel.start(40)
    drain(Worker(), seconds=PATIENCE, stop=lambda: Step.objects.count() == 40)
    with CaptureQueriesContext(connection) as queries:
        run()
    assert isinstance(observe.status(workflow_id), Completed)
    if connection.vendor == "postgresql":
        assert commits(queries) <= 30  # two for each step else


def test_workflows_that_end_at_once_and_those_that_need_more_than_their_row_are_as_ever() -> None:
    ids = [
        flows.nothing.start(),
        flows.sums.start([1]),
        flows.mutations.start("a", 2),
        flows.inline_mutations.start("b", 2),
        flows.parent.start([1, 2]),
        flows.fails.start("broken"),
        flows.declined.start("4000"),
        flows.parallel.start(3),
        flows.tries_a_mutation.start("c"),
    ]
    run()
    alone = [flows.nothing, flows.sums, flows.mutations, flows.inline_mutations, flows.parent, flows.fails]
    pace.be(None)
    again = [
        alone[0].start(),
        alone[1].start([1]),
        alone[2].start("d", 2),
        alone[3].start("e", 2),
        alone[4].start([1, 2]),
        alone[5].start("broken"),
        flows.declined.start("4000"),
        flows.parallel.start(3),
        flows.tries_a_mutation.start("f"),
    ]
    drain(Worker(), seconds=PATIENCE)
    first, second = results(ids), results(again)
    assert [type(each) for each in first] == [type(each) for each in second]
    assert "in_progress" not in first
    for one, other in zip(ids, again, strict=True):
        shape = [
            list(
                Step.objects.filter(workflow_id=each)
                .order_by("number")
                .values_list("number", "kind", "name", "state", "attempt", "delivery")
            )
            for each in (one, other)
        ]
        assert shape[0] == shape[1]


def test_a_worker_that_found_nothing_beside_its_last_piece_looks_again_when_there_are_many() -> None:
    worker = Worker(batches=True)
    flows.sums.start([1])
    drain(worker, seconds=20)
    assert worker.alone["starts"] > 2
    ids = flows.sums.start_many([([1, 2],) for _ in range(9)])
    with CaptureQueriesContext(connection) as queries:
        drain(worker, seconds=20)
    assert results(ids) == [3] * 9
    assert commits(queries) <= 22, "one was led alone, and eight side by side"


# -- when somebody else goes ahead


def test_one_that_is_canceled_meanwhile_leaves_the_others_alone() -> None:
    ids = interferes.start_many([(first,) for first in (0, 10, 20, 30)])
    to_do.append((1, lambda: workflow.cancel(ids[2])))
    run()
    assert results(ids) == [[0, 1, 2], [10, 11, 12], "canceled", [30, 31, 32]]


def test_an_attempt_that_was_taken_over_is_void_and_the_others_are_not() -> None:
    ids = interferes.start_many([(first,) for first in (0, 10, 20, 30)])

    def take_over() -> None:
        Step.objects.filter(workflow_id=ids[0], state="running").update(attempt=2)

    to_do.append((11, take_over))
    run()
    assert results(ids)[1:] == [[10, 11, 12], [20, 21, 22], [30, 31, 32]]
    step = Step.objects.get(workflow_id=ids[0], state="running")
    assert (step.number, step.attempt) == (1, 2)
    Step.objects.filter(pk=step.pk).update(due_at=step.created_at, attempt=0, state="queued")
    run()
    assert results(ids)[0] == [0, 1, 2]


def test_a_step_that_fails_is_tried_again_and_the_others_go_on() -> None:
    ids = [*flows.sums.start_many([([1, 2],) for _ in range(5)]), flows.retried.start("once", 3)]
    from tests.engine.driver import finish

    run()
    assert results(ids[:5]) == [3] * 5
    assert isinstance(finish(ids[5]), Completed)


# -- when a step takes its time after all


def test_nothing_waits_for_a_step_that_turns_slow(hurry: Callable[[], None]) -> None:
    ids = interferes.start_many([(first,) for first in (0, 10, 20, 30)])
    found: dict[str, object] = {}

    def stall() -> None:
        hurry()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            others = Step.objects.exclude(workflow_id=ids[1]).filter(state="queued")
            if others.count() == 3:
                found.update({str(step.workflow_id): (step.number, step.attempt) for step in others})
                return
            time.sleep(0.02)

    to_do.append((11, stall))
    run()
    # The one before it had ended, so that its next step is queued; those after it had not begun.
    assert found == {str(ids[0]): (2, 0), str(ids[2]): (1, 0), str(ids[3]): (1, 0)}
    assert results(ids) == [[0, 1, 2], [10, 11, 12], [20, 21, 22], [30, 31, 32]]
    assert set(Step.objects.values_list("attempt", flat=True)) == {1}


def test_at_the_end_of_its_time_a_worker_gives_back_what_it_has_not_begun() -> None:
    ids = looks.start_many([(3,) for _ in range(6)])
    drain(Worker(batches=True), seconds=PATIENCE, stop=lambda: len(seen) >= 6)
    assert Step.objects.filter(state="completed").count() == 6
    assert set(Step.objects.exclude(state="completed").values_list("state", "attempt")) == {("queued", 0)}
    run()
    assert results(ids) == [3] * 6


def test_what_it_cannot_give_back_is_not_lost_either() -> None:
    """The database is away at that moment; the worker abandons what it holds, and its heartbeat gives that back."""
    ids = looks.start_many([(3,) for _ in range(6)])
    worker = Worker(batches=True)

    def away(execute: object, sql: str, *args: object) -> object:
        if "attempt = attempt - 1" in sql:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *args)

    with connection.execute_wrapper(away):
        drain(worker, seconds=PATIENCE, stop=lambda: len(seen) >= 6)
    assert Step.objects.filter(state="running").count() == 6
    worker.abandon()
    worker.give_back_abandoned()
    assert Step.objects.filter(state="queued", attempt=0).count() == 5, "whether the first one was is not known"
    advance(1.1)  # what it had begun may be why it failed, and waits for a moment
    run()
    assert sorted(map(str, results(ids))) == ["3"] * 5 + ["failed"]


# -- when the worker dies


def test_the_process_dies_at_every_statement_of_a_batch() -> None:
    def begin() -> list[object]:
        Workflow.objects.all().delete()
        return retried.start_many([(2,) for _ in range(3)])

    for ids, where in each_death(begin, run):
        run()
        assert results(ids) == [[1, 2]] * 3, where


_KILLED = """
import os, signal, sys
from types import SimpleNamespace
from uuid import UUID
from django_workflows.engine.machine import worker_id
from django_workflows.engine.marks import marks

worker = worker_id(os.getpid(), "killed")
workflow_id = UUID(sys.argv[1])
steps = [SimpleNamespace(workflow_id=workflow_id, generation=1, number=int(n), attempt=1) for n in sys.argv[2:]]
marks.expect(worker, steps)
marks.begun(steps[0])
print(worker, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_worker_had_not_begun_is_not_lost() -> None:
    workflow_id = flows.parallel.start(4)
    drain(Worker(), seconds=PATIENCE, stop=lambda: Step.objects.count() == 4)  # which runs the first one itself
    held = Step.objects.filter(workflow_id=workflow_id, number__gt=0)
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(workflow_id), "1", "2", "3"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    worker = killed.stdout.strip()
    held.update(state="running", attempt=1, claimed_by=worker, started_at=now())
    give_back(worker)
    begun, *others = held.order_by("number")
    assert (begun.state, begun.attempt) == ("running", 1)
    assert {(step.state, step.attempt, step.claimed_by) for step in others} == {("queued", 0, "")}
    run()
    assert dict(held.values_list("number", "state")) == {1: "failed", 2: "completed", 3: "completed"}
    assert "AttemptLost" in Step.objects.get(number=1).error


def test_what_a_worker_gives_back_or_begins_is_no_longer_marked() -> None:
    ids = looks.start_many([(3,) for _ in range(6)])
    worker = Worker(batches=True)
    drain(worker, seconds=PATIENCE, stop=lambda: len(seen) >= 6)
    assert not marks._places
    run()
    assert results(ids) == [3] * 6
    assert not marks._places


# -- which functions are quick


def step_of(function: str, kind: str = "action") -> object:
    from types import SimpleNamespace

    return SimpleNamespace(function=function, kind=kind)


def test_a_function_is_quick_once_it_was_quick_twice() -> None:
    found = Pace()
    assert not found.is_quick("a")
    found.note(step_of("a"), QUICK / 2)
    assert not found.is_quick("a")
    found.note(step_of("a"), QUICK / 2)
    assert found.is_quick("a")
    assert not found.is_quick("b")
    assert found.size == 4


def test_a_slow_function_is_not_quick_any_more_and_slows_the_pace() -> None:
    found = Pace()
    for _ in range(5):
        found.note(step_of("a"), QUICK / 2)
    assert found.size == 16, "BATCH_SIZE bounds it"
    found.note(step_of("a"), 1.0)
    assert not found.is_quick("a")
    assert found.size == 8


def test_a_batch_size_of_one_leads_each_alone(settings) -> None:
    settings.DJANGO_WORKFLOWS = {"BATCH_SIZE": 1}
    found = Pace()
    for _ in range(5):
        found.note(step_of("a"), QUICK / 2)
    assert found.size == 1
