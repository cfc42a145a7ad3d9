"""Parents and children lock each other's rows in one order, and pools come last: no deadlock, however they meet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from django_workflows import Canceled, WorkflowContext, WorkflowManager, WorkflowNotRunning
from django_workflows.engine.advance import take_turn
from django_workflows.engine.run_step import run_step
from django_workflows.models import Pool, Step, Workflow
from tests.app import steps
from tests.engine.conftest import Elsewhere
from tests.engine.driver import claim, run
from tests.promises import promise
from tests.races import flows
from tests.races.invariants import check
from tests.waiting import PATIENCE

pytestmark = pytest.mark.postgres
workflow = WorkflowManager()
pooled = WorkflowManager(max_parallelism=1, name="tests.races.order")


@workflow.define
async def one_child(step: WorkflowContext) -> str:
    return await step.run_workflow(short)


@workflow.define
async def short(step: WorkflowContext) -> str:
    await step.run_mutation(flows.note_effect)
    return "done"


@pooled.define
async def one_in_the_pool(step: WorkflowContext) -> None:
    await step.run_action(steps.no_op)


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        found: int = cursor.fetchone()[0]
        return found


class Pause:
    """Holds a connection's statements where ``when`` says so, until the other side had its chance."""

    def __init__(self, when: Callable[[str], bool]) -> None:
        self._when = when
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not self.reached.is_set() and self._when(sql):
            self.reached.set()
            self.go_on.wait(timeout=0.5)
        return execute(sql, params, many, context)


@pytest.mark.parametrize("force", [False, True], ids=["graceful", "force"])
def test_a_parent_is_canceled_just_as_its_child_ends(force: bool, elsewhere: Elsewhere) -> None:
    flows.acted.clear()
    parent = one_child.start()
    take_turn(parent, None, None)
    child = Workflow.objects.get(parent=parent)
    take_turn(child.id, None, None)
    step = claim()
    assert step is not None
    before = deadlocks()
    # The child's end has locked the child, and is about to look at its parent.
    pause = Pause(lambda sql: "SKIP LOCKED" in sql or "SET version = version + 1" in sql)

    def end() -> None:
        with connection.execute_wrapper(pause):
            run_step(step, "")

    def cancel() -> Any:
        assert pause.reached.wait(timeout=PATIENCE)
        try:
            workflow.cancel(parent, force=force)
        except WorkflowNotRunning as error:
            return error
        finally:
            pause.go_on.set()
        return None

    with promise(5):
        outcomes = elsewhere.together([end, cancel])
    assert outcomes[0] is None
    assert outcomes[1] is None or isinstance(outcomes[1], WorkflowNotRunning)
    assert deadlocks() == before
    run()
    check()
    assert not Workflow.objects.filter(state="in_progress").exists()
    if outcomes[1] is None:
        assert workflow.status(parent) == Canceled()


def test_many_children_that_end_at_one_moment_wait_for_their_parent_in_turn(elsewhere: Elsewhere) -> None:
    flows.acted.clear()
    before = deadlocks()

    @workflow.define(name="tests.races.family")
    async def family(step: WorkflowContext, count: int) -> int:
        return len([await each for each in [step.run_workflow(short) for _ in range(count)]])

    parent = family.start(8)
    take_turn(parent, None, None)
    for child in Workflow.objects.filter(parent=parent):
        take_turn(child.id, None, None)
    claimed = [claim(f"worker {index}") for index in range(8)]
    outcomes = elsewhere.together([lambda step=step: run_step(step, "") for step in claimed])
    assert not [each for each in outcomes if isinstance(each, BaseException)]
    run()
    check()
    assert workflow.status(parent).type == "completed"
    assert deadlocks() == before


def test_a_place_is_given_just_as_who_waits_for_it_is_given_up(elsewhere: Elsewhere) -> None:
    first, second = one_in_the_pool.start(), one_in_the_pool.start()
    take_turn(first, None, None)
    take_turn(second, None, None)
    mine = claim()
    assert mine is not None
    assert claim() is None, "the other waits for its place"
    other = second if mine.workflow_id == first else first
    before = deadlocks()
    # The cancellation has locked the step that waits, and is about to ask for the pool.
    pause = Pause(lambda sql: Pool._meta.db_table in sql)

    def cancel() -> None:
        with connection.execute_wrapper(pause):
            workflow.cancel(other)

    def end() -> None:
        assert pause.reached.wait(timeout=PATIENCE)
        run_step(mine, None)
        pause.go_on.set()

    with promise(3):
        assert elsewhere.together([cancel, end]) == [None, None]
    assert deadlocks() == before
    run()
    check()
    assert not Step.objects.filter(state__in=["queued", "running", "waiting"]).exists()
