"""A step that runs for many leases stays with its worker, while another cluster would take it.

An hour of it, with every setting as it comes: ``DJANGO_WORKFLOWS_TEST_LONG_STEP=3600``.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from django_workflows import Completed
from django_workflows.core.health import Problem
from django_workflows.engine.health import check_health
from django_workflows.models import Step
from django_workflows.store import database
from tests.app.cluster_workflows import one, workflow
from tests.cluster import HARDENED
from tests.q2.conftest import SHORT_LEASE, Log
from tests.waiting import PATIENCE, wait_for

ASKED = os.environ.get("DJANGO_WORKFLOWS_TEST_LONG_STEP")
SECONDS = float(ASKED or 24)
SETTINGS = {} if ASKED else SHORT_LEASE
LEASE = SETTINGS.get("LEASE", 30)
Q = {"timeout": int(SECONDS) + 300, "retry": int(SECONDS) + 360}


@pytest.mark.timeout(SECONDS + 600)
def test_a_step_of_many_leases_runs_once(cluster, log: Log, record_property: Callable[[str, object], None]) -> None:
    clusters = [cluster(command=HARDENED, workflows=SETTINGS, q=Q) for _ in range(2)]
    workflow_id = one.start("action", "act", [log.path, "x", SECONDS])
    log.wait_for("begin-x")
    leases: set[datetime | None] = set()
    until = time.monotonic() + SECONDS + PATIENCE
    while (status := workflow.status(workflow_id)).type == "in_progress" and time.monotonic() < until:
        leases.add(Step.objects.get(workflow_id=workflow_id).due_at)
        time.sleep(LEASE / 10)
    assert status == Completed("x")
    assert log.texts == ["begin-x", "end-x"]
    assert Step.objects.get(workflow_id=workflow_id).attempt == 1
    begun, ended = log.notes
    assert begun.pid == ended.pid
    assert ended.at - begun.at >= SECONDS
    assert len(leases) > SECONDS / LEASE, "each was renewed before it ran out"
    assert all(each.returncode is None and len(each.workers()) == 2 for each in clusters), "nobody had to be replaced"
    record_property(
        "figures",
        f"a step of {ended.at - begun.at:.0f} s at a lease of {LEASE} s: {len(leases) - 1} renewals, 1 attempt",
    )


def test_what_the_alert_of_long_steps_advises_works(cluster, log: Log, settings: Any) -> None:
    """``kill -9`` of the process that it names: its attempt is lost, its worker replaced, and the others go on."""
    settings.DJANGO_WORKFLOWS = {**settings.DJANGO_WORKFLOWS, **SHORT_LEASE, "STALLED_AFTER": 1}
    running = cluster(
        command=HARDENED, workflows={**SHORT_LEASE, "ACTION_THREADS": 0}, q={"timeout": 900, "retry": 960}
    )
    once = one.start("action", "act", [log.path, "x", 600])
    again = one.start("action", "act_slowly_at_first", [log.path, "y", 600], retry=True)
    log.wait_for("begin-x")
    retried = log.wait_for("begin-y-1").pid
    others = [one.start("action", "act", [log.path, str(number)]) for number in range(3)]
    for workflow_id, minutes in ((once, 9), (again, 2)):
        earlier = database.now() - timedelta(minutes=minutes)
        Step.objects.filter(workflow_id=workflow_id).update(started_at=earlier)

    def told() -> list[Problem]:
        return [problem for problem in check_health().problems if problem.code == "long_steps"]

    (problem,) = wait_for(told, message="nothing was said of long steps")
    assert all(each in problem.message for each in (str(once), str(again), f"pid {retried}"))
    (command, pid, host) = re.findall(r"`(kill -9 (\d+))` on (\S+)\.", problem.hint)[0]
    assert host == socket.gethostname()
    subprocess.run(shlex.split(command), check=True)
    assert "AttemptLost" in workflow.result(once, timeout=PATIENCE)
    assert [workflow.result(each, timeout=PATIENCE) for each in others] == ["0", "1", "2"]
    fresh = set(running.workers()) - {int(pid), retried}
    assert len(fresh) == 2, "a new crew took over, beside the one that has the other long step"
    assert workflow.status(again).type == "in_progress", "the other long step was left alone"

    subprocess.run(["kill", "-9", str(retried)], check=True)
    assert workflow.result(again, timeout=PATIENCE) == 2
