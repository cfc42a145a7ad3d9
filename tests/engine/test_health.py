"""What the health check sees in a real database."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import OperationalError, connection

from django_workflows.core.blocked import BlockedReason
from django_workflows.core.health import LOOKED_AT
from django_workflows.engine.advance import advance as engine_advance
from django_workflows.engine.health import check_health, check_queue
from django_workflows.engine.worker import Worker
from django_workflows.models import Workflow
from django_workflows.store import database, workflows
from django_workflows.store import steps as step_store
from django_workflows.store.blocked import block
from django_workflows.store.steps import RunningFunction, still_running
from tests.app import workflows as flows
from tests.app.workflows import asks_approval, nothing
from tests.engine.driver import advance, run


def codes() -> set[str]:
    return {problem.code for problem in check_health().problems}


def test_nothing_to_do_and_nobody_there_is_a_warning_only() -> None:
    health = check_health()
    assert health.ok
    assert [problem.code for problem in health.problems] == ["idle"]
    assert health.oldest_due is None


def test_work_without_workers_is_critical_after_a_while() -> None:
    nothing.start()
    assert check_health().ok
    advance(16)
    health = check_health()
    assert not health.ok
    (queue,) = health.queues
    assert (queue.queue, queue.due, queue.workers, queue.stalled) == ("", 1, 0, True)
    assert health.oldest_due is not None
    assert timedelta(seconds=16) <= health.oldest_due < timedelta(seconds=60)
    assert [problem.code for problem in health.problems] == ["no_workers"]


def test_idle_workers_that_take_nothing_are_a_stall() -> None:
    nothing.start()
    advance(16)
    Worker().beat()
    assert codes() == {"stalled"}
    assert check_queue("").stalled


def test_a_worker_that_takes_work_is_none() -> None:
    worker = Worker()
    nothing.start()
    advance(16)
    worker.took()
    worker.beat()
    (seen,) = check_health().workers
    assert (seen.done, seen.doing) == (1, "")
    assert seen.worked is not None
    assert seen.worked < timedelta(seconds=15)
    assert codes() == {"growing"}


def test_workers_that_all_do_something_else_are_busy() -> None:
    worker = Worker()
    nothing.start()
    advance(16)
    worker.aside = "shop.reports.nightly"
    worker.beat()
    assert codes() == {"growing"}


def test_a_worker_that_was_silent_for_a_lease_does_not_count() -> None:
    Worker().beat()
    assert len(check_health().workers) == 1
    advance(31)
    assert check_health().workers == ()


def test_blocked_workflows_are_counted_and_named() -> None:
    workflow_id = asks_approval.start()
    run()
    Workflow.objects.filter(pk=workflow_id).update(blocked_message="the code changed")
    health = check_health()
    assert (health.blocked, health.blocked_ids) == (1, (workflow_id,))
    assert "blocked" in codes()


def test_workflows_that_wait_for_nothing_are_found_when_asked_for() -> None:
    waiting, lost = asks_approval.start(), asks_approval.start()
    run()
    Workflow.objects.get(pk=lost).steps.all().delete()
    assert check_health().lost is None
    health = check_health(thorough=True)
    assert health.lost == (lost,)
    assert waiting not in health.lost
    assert any(problem.code == "lost" for problem in health.problems)


def test_blocked_ones_are_found_through_their_index() -> None:
    with connection.cursor() as cursor:
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")
        cursor.execute(
            f"{explain} SELECT count(*) FROM django_workflows_workflow "
            "WHERE state = 'in_progress' AND NOT (problem = '')"
        )
        plan = str(cursor.fetchall())
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")
    assert "dwf_workflow_blocked" in plan


def test_a_database_that_does_not_answer_is_said_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("could not connect\n\tto server")

    monkeypatch.setattr(database, "now", away)
    monkeypatch.setattr("django_workflows.engine.health.now", away)
    health = check_health()
    assert not health.ok
    assert health.database_error == "could not connect to server"


def test_clock_of_this_host_is_compared_with_the_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    late = timedelta(minutes=2)
    at = database.now()
    monkeypatch.setattr("django_workflows.engine.health.local_now", lambda: at + late)
    skew = check_health().clock_skew
    if connection.vendor == "sqlite":
        assert skew is None
    else:
        assert skew is not None
        assert abs(skew - late) < timedelta(seconds=5)
        assert "clock_skew" in codes()


def test_long_steps_that_hold_up_all_workers_are_named_with_where_they_run() -> None:
    workflow_id = flows.call.start("action", "no_op", {}, {})
    run_turn = Worker()
    claimed = workflows.claim_turn("", run_turn.id)
    assert claimed is not None
    engine_advance(claimed, None)
    step = step_store.claim("", run_turn.id)
    assert step is not None
    run_turn.begin(step)
    nothing.start()
    advance(61)
    run_turn.beat()
    (problem,) = [each for each in check_health().problems if each.code == "long_steps"]
    assert f"step 0 ({step.name}) of tests.app.workflows.call {workflow_id} for 61 s" in problem.message
    assert f"on {run_turn.host}, pid {run_turn.pid}" in problem.message
    assert f"kill -9 {run_turn.pid}` on {run_turn.host}" in problem.hint

    assert still_running(workflow_id) == []
    flows.workflow.cancel(workflow_id)
    runs = [RunningFunction(0, step.name, run_turn.host, run_turn.pid)]
    assert still_running(workflow_id) == runs, "nothing was heard of the worker since"
    run_turn.beat()
    assert still_running(workflow_id) == runs
    run_turn.begin(None)
    run_turn.beat()
    assert still_running(workflow_id) == []


def test_mass_failures_are_told_and_single_ones_are_not() -> None:
    ids = [flows.fails.start() for _ in range(9)]
    run()
    assert "failing" not in codes()
    ids.append(flows.fails.start())
    run()
    (problem,) = [each for each in check_health().problems if each.code == "failing"]
    assert "10 workflows failed in the last 600 s, and of the 2000 newest 0 completed, the first " in problem.message
    assert "tests.app.workflows.fails 10" in problem.message
    assert any(f"show {each}`" in problem.hint for each in ids)
    advance(601)
    assert "failing" not in codes()


def test_failures_of_old_workflows_are_found_by_when_they_failed() -> None:
    """Behind more newer ones than are looked at, which failed long ago."""
    ids = [flows.fails.start() for _ in range(10)]
    fields = Workflow.objects.values().get(id=ids[0])
    long_ago = {"state": "failed", "finished_at": database.now() - timedelta(days=1), "due_at": None}
    Workflow.objects.bulk_create(
        Workflow(**{**fields, **long_ago, "id": UUID(int=2**128 - 1 - number)}) for number in range(LOOKED_AT)
    )
    assert "failing" not in codes()
    run()
    (problem,) = [each for each in check_health().problems if each.code == "failing"]
    assert problem.message.startswith("10 workflows failed in the last 600 s")
    Workflow.objects.filter(id__gt=UUID(int=2**127)).update(finished_at=database.now())
    (problem,) = [each for each in check_health().problems if each.code == "failing"]
    assert problem.message.startswith("2000 or more workflows failed in the last 600 s")


def test_mass_retries_are_told() -> None:
    ids = [flows.call.start("action", "decline", {"card": "x"}, {"retry": True}) for _ in range(20)]
    run()
    (problem,) = [each for each in check_health().problems if each.code == "retrying"]
    assert problem.message.startswith("20 steps have failed and wait to be retried")
    assert "decline 20" in problem.message
    assert any(f"show {each}`" in problem.hint for each in ids)


def test_blocked_ones_are_named_with_since_when() -> None:
    workflow_id = asks_approval.start()
    run()
    block(workflow_id, BlockedReason.CODE_MISMATCH, "the code changed", seconds=None)
    advance(40)
    (problem,) = [each for each in check_health().problems if each.code == "blocked"]
    assert problem.message == "Blocked workflows: 1, the first 40 s ago: tests.app.workflows.asks_approval 1."
