"""The database goes away while a cluster works: the cluster goes on by itself when it is back."""

import contextlib
import os
import time

import pytest
from django.db import OperationalError, connection
from django_q.tasks import async_task

from tests.app.cluster_workflows import chain, everything, workflow
from tests.app.cluster_workflows import one as one_step
from tests.app.models import Effect
from tests.app.workflows import parallel
from tests.cluster import HARDENED
from tests.postgres import PostgresServer
from tests.promises import promise
from tests.q2.conftest import SHORT_LEASE, Log
from tests.waiting import wait_for


def ends(workflow_id) -> str:
    """How the workflow ended; also this process's connection has to survive the outage."""

    def ended() -> str:
        with contextlib.suppress(OperationalError):
            return workflow.status(workflow_id).type
        connection.close()
        return ""

    wait_for(lambda: ended() not in ("", "in_progress"), message="it does not end")
    return workflow.status(workflow_id).type


@pytest.mark.postgres
def test_cluster_goes_on_after_restarts_of_postgresql(server: PostgresServer, cluster, log: Log) -> None:
    running = cluster(workflows=SHORT_LEASE)
    workers = running.workers()
    for how in ("fast", "immediate", "kill"):
        chains = [chain.start(log.path, 20, 0.05) for _ in range(2)]
        soon = [everything.with_options(run_after=0.1 * index) for index in range(10)]
        others = [each.start(log.path, f"{how}{index}") for index, each in enumerate(soon)]
        wait_for(lambda others=others: any(map(workflow.steps, others)), message="nothing is under way")
        connection.close()
        server.kill() if how == "kill" else server.stop(how)
        server.start()
        later = parallel.start(20)
        assert [ends(each) for each in [*chains, *others, later]] == ["completed"] * 13, how
    assert Effect.objects.count() == 60
    # Nobody had to be replaced, and ordinary tasks go on too.
    assert running.workers() == workers
    assert "reincarnated" not in running.log
    async_task("tests.app.cluster_steps.ordinary", log.path, "after")
    log.wait_for("task-after")
    assert running.stop() == 0


@pytest.mark.postgres
def test_lost_connections_are_replaced(cluster, log: Log) -> None:
    cluster(workflows=SHORT_LEASE)
    chains = [chain.start(log.path, 30, 0.05) for _ in range(2)]
    for index in (3, 9, 15):
        log.wait_for(f"begin-{index}")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
    assert [ends(each) for each in chains] == ["completed"] * 2
    assert log.texts.count("begin-29") == 2


@pytest.mark.postgres
def test_result_of_an_action_waits_for_the_database(server: PostgresServer, cluster, log: Log) -> None:
    """The action was run, and without retry it must not be lost because of a database that was away for a while."""
    running = cluster(workflows={"LEASE": 300}, q={"workers": 3})
    action_id = one_step.start("action", "act", [log.path, "action", 1.0])
    mutation_id = one_step.start("mutation", "change", [log.path, "mutation", 1.0])
    log.wait_for("begin-action")
    log.wait_for("begin-mutation")
    connection.close()
    server.stop()
    for text in ("is yet to be written", "ended early"):
        wait_for(lambda text=text: text in running.log, message=f"{text!r} is not in the log")
    server.start()
    assert [ends(action_id), ends(mutation_id)] == ["completed"] * 2
    assert log.texts.count("begin-action") == 1
    assert Effect.objects.get().key == "mutation"
    assert "reincarnated" not in running.log


@pytest.mark.postgres
@pytest.mark.parametrize("seconds", [float(os.environ.get("DJANGO_WORKFLOWS_TEST_OUTAGE", "3"))])
def test_a_hardened_cluster_waits_for_the_database(server: PostgresServer, cluster, log: Log, seconds: float) -> None:
    """Busy and idle; its processes stay, and what was under way goes on."""
    running = cluster(command=HARDENED, workflows=SHORT_LEASE)
    processes = {process.pid for process in running.processes()}
    chains = [chain.start(log.path, 20, 0.05) for _ in range(2)]
    others = [everything.with_options(run_after=0.2 * index).start(log.path, f"h{index}") for index in range(10)]
    log.wait_for("begin-5")
    connection.close()
    server.kill()
    time.sleep(seconds)
    server.start()
    with promise(60):
        with promise(10):
            assert ends(chain.start(log.path, 2)) == "completed"
        assert {ends(each) for each in [*chains, *others]} <= {"completed", "failed"}
    assert {process.pid for process in running.processes()} == processes, "somebody was replaced"
    assert "new crew" not in running.log
    assert running.stop() == 0
