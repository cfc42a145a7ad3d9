"""A step that leaves its session, or the journal, in disorder harms neither its worker nor anybody else's workflow."""

import time

from django.db import connection
from django_q.tasks import async_task

from django_workflows.q2.process import DRAIN
from tests.app.cluster_workflows import chain, workflow
from tests.app.cluster_workflows import one as one_step
from tests.cluster import HARDENED
from tests.q2.conftest import Log
from tests.waiting import PATIENCE, wait_for

DISORDERS = {
    "postgresql": {
        "path": "SET search_path TO nowhere",
        "read-only": "SET default_transaction_read_only = on",
        "role": "SET ROLE pg_monitor",
        "user": "SET SESSION AUTHORIZATION pg_monitor",
        "timeout": "SET statement_timeout = 1",
        "unseen": "SELECT moves()",
        "open": "BEGIN",
    },
    "sqlite": {"read-only": "PRAGMA query_only = ON", "open": "BEGIN"},
}


def test_a_step_that_changes_its_session_is_completed_and_harms_nobody(cluster, log: Log) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION moves() RETURNS void LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM set_config('search_path', 'nowhere', false); END $$"
            )
    running = cluster(command=HARDENED, workflows={"LEASE": 300})
    workers, began = running.workers(), time.monotonic()
    disorders, healthy = [], []
    for name, statement in DISORDERS[connection.vendor].items():
        for kind in ("action", "mutation", "query"):
            if name not in ("unseen", "open") or kind == "action":
                each = f"{kind}-{name}"
                disorders.append((each, one_step.start(kind, "say", [log.path, each, [statement]], retry=True)))
        healthy += [chain.start(log.path, 3) for _ in range(3)]
    for name, each in disorders:
        assert workflow.result(each, timeout=PATIENCE) == name
    for each in healthy:
        assert workflow.result(each, timeout=PATIENCE) == 3
    said = [text for text in log.texts if text.startswith("say-")]
    assert sorted(said) == sorted(f"say-{name}" for name, _ in disorders), "each of them once"
    assert running.workers() == workers, "nobody had to be replaced"
    assert time.monotonic() - began < PATIENCE
    assert len(running.log.splitlines()) < 300, running.log[-2000:]
    assert "ended early" not in running.log


def test_drains_that_fail_are_few_and_say_why_once(cluster, log: Log) -> None:
    """The journal cannot be read for a while, for a reason that no new session would change."""
    running = cluster(command=HARDENED, workflows={"LEASE": 300})
    workers = running.workers()
    assert workflow.result(chain.start(log.path, 3), timeout=PATIENCE) == 3
    _rename("django_workflows_step", "elsewhere")
    lines = len(running.log.splitlines())
    try:
        # Whoever looks for work sees no more than a worker would: each gets a drain, as after a message.
        for _ in workers:
            async_task(DRAIN)
        wait_for(lambda: "ended early" in running.log, message="no drain failed")
        time.sleep(10)  # what is counted here is what there is in ten seconds
    finally:
        _rename("elsewhere", "django_workflows_step")
    said = [line for line in running.log.splitlines()[lines:] if "ended early" in line]
    assert len(said) <= 2 * len(workers), said
    assert all("django_workflows_step" in line for line in said), "the one true cause"
    assert len(running.log.splitlines()) - lines < 1000, "a few tracebacks for each process, and no more"
    assert workflow.result(chain.start(log.path, 3), timeout=PATIENCE) == 3
    assert running.workers() == workers


def _rename(table: str, to: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {to}")
