"""A step that runs for many leases stays with its worker, while another cluster would take it.

An hour of it, with every setting as it comes: ``DJANGO_WORKFLOWS_TEST_LONG_STEP=3600``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime

import pytest

from django_workflows import Completed
from django_workflows.models import Step
from tests.app.cluster_workflows import one, workflow
from tests.cluster import HARDENED
from tests.q2.conftest import SHORT_LEASE, Log
from tests.waiting import PATIENCE

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
