"""The broker that watches the journal: soon, never early, quiet when idle, no worse than django-q2's for its tasks."""

import time
from statistics import median
from uuid import UUID

from django.db import connection
from django_q.models import OrmQ, Task
from django_q.tasks import async_task, result

from django_workflows.q2 import JournalBroker
from tests.app.cluster_workflows import on_default, on_slow, timer, to_slow_and_back, workflow
from tests.app.cluster_workflows import one as one_step
from tests.promises import promise, slowness
from tests.q2.conftest import Log
from tests.waiting import PATIENCE, wait_for

# Timings here are far from what it needs; how fast it really is belongs into the benchmarks.
SOON = 0.5
NAMED = {"ALT_CLUSTERS": {"slow": {"workers": 1}}, "workers": 1}


def state(workflow_id: UUID) -> str:
    return workflow.status(workflow_id).type


def test_start_is_picked_up_soon_by_an_idle_cluster(cluster, log: Log) -> None:
    cluster()
    with slowness() as slower:
        delays = []
        for index in range(9):
            committed_at = time.time()
            workflow_id = one_step.start("action", "act", [log.path, str(index)])
            delays.append(log.wait_for(f"begin-{index}").at - committed_at)
            workflow.result(workflow_id, timeout=PATIENCE)
    assert median(delays) < SOON * slower(), delays


def test_timers_are_never_early_and_hardly_late(cluster, log: Log) -> None:
    cluster()
    with slowness() as slower:
        lateness = []
        for seconds in (0.05, 0.1, 0.3, 0.7, 1.6):
            started_at = time.time()
            workflow_id = timer.start(log.path, str(seconds), seconds)
            lateness.append(log.wait_for(f"begin-{seconds}").at - started_at - seconds)
            workflow.result(workflow_id, timeout=PATIENCE)
    assert min(lateness) >= 0, lateness
    assert median(lateness) < SOON * slower(), lateness


def test_later_start_is_not_begun_early(cluster, log: Log) -> None:
    cluster()
    started_at = time.time()
    with promise(1.3 + 2 * SOON):
        workflow_id = one_step.with_options(run_after=1.3).start("action", "act", [log.path, "later"])
        workflow.result(workflow_id, timeout=PATIENCE)
    assert log.notes[0].at - started_at >= 1.3


def test_ordinary_tasks_run_beside_workflows(cluster, log: Log) -> None:
    cluster()
    workflow_ids = [one_step.start("action", "act", [log.path, f"step-{index}"]) for index in range(5)]
    task_ids = [async_task("tests.app.cluster_steps.ordinary", log.path, str(index)) for index in range(5)]
    assert [result(task_id, wait=10_000) for task_id in task_ids] == [str(index) for index in range(5)]
    assert [workflow.result(each, timeout=PATIENCE) for each in workflow_ids] == [f"step-{index}" for index in range(5)]
    wait_for(lambda: not OrmQ.objects.exists(), message="done tasks stay in the queue")
    assert set(Task.objects.values_list("func", flat=True)) == {"tests.app.cluster_steps.ordinary"}


def test_ordinary_task_comes_back_when_its_lock_has_run_out(cluster, log: Log) -> None:
    cluster(q={"workers": 1, "timeout": 3, "retry": 4})
    task_id = async_task("tests.app.cluster_steps.ordinary_fails_once", log.path, "again")
    wait_for(lambda: Task.objects.filter(id=task_id, success=True).exists(), message="no second run")
    first, second = log.notes
    assert second.at - first.at > 3


def test_clusters_take_work_of_their_own_queue_only(cluster, log: Log) -> None:
    other = cluster(q=NAMED, env={"Q_CLUSTER_NAME": "slow"})
    slow_id, default_id = on_slow.start(log.path, "slow"), on_default.start(log.path, "default")
    both_id = to_slow_and_back.start(log.path)
    assert workflow.result(slow_id, timeout=PATIENCE) == "slow"
    assert log.texts == ["begin-slow", "end-slow"]
    main = cluster(q=NAMED)
    assert workflow.result(default_id, timeout=PATIENCE) == "default"
    workflow.result(both_id, timeout=PATIENCE)
    ran_by = {note.text.removeprefix("end-"): note.pid for note in log.notes if note.text.startswith("end-")}
    in_main, in_other = main.workers()[0], other.workers()[0]
    assert ran_by == {"slow": in_other, "default": in_main, "here": in_main, "there": in_other, "back": in_main}


def test_idle_broker_asks_the_database_seldom(transactional_db: None) -> None:
    broker = JournalBroker()
    statements: list[str] = []

    def watch(execute, sql, params, many, context):
        statements.append(sql)
        return execute(sql, params, many, context)

    wait_for(lambda: not broker.dequeue())
    until = time.monotonic() + 3
    with connection.execute_wrapper(watch):
        while time.monotonic() < until:
            assert not broker.dequeue()
    # SQLite's change counter is read in memory, not asked of the database.
    queries = [sql for sql in statements if "data_version" not in sql]
    assert len(queries) <= 3 * 4, queries


def test_drain_that_waits_for_a_worker_is_not_handed_out_again(transactional_db: None, log: Log) -> None:
    one_step.start("action", "act", [log.path, "x"])
    broker = JournalBroker()
    assert wait_for(broker.dequeue)
    statements: list[str] = []

    def watch(execute, sql, params, many, context):
        statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        assert not broker.dequeue()
    assert len(statements) <= 1, statements
