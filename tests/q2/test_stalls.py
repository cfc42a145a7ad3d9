"""A plain `qcluster` that is wedged is noticed from outside, and says so itself."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from django_workflows.engine.health import check_health
from django_workflows.models import Worker
from tests.app.cluster_workflows import chain, workflow
from tests.cluster import Cluster
from tests.promises import promise
from tests.q2.conftest import SHORT_LEASE, Log
from tests.waiting import PATIENCE, wait_for

SETTINGS = {**SHORT_LEASE, "STALLED_AFTER": 3}


def start_what_nobody_takes(log: Log) -> None:
    """What was handed out before may take the first ones."""
    with pytest.raises(TimeoutError):
        while True:
            workflow.result(chain.start(log.path, 1), timeout=3)


def test_a_wedge_is_said_aloud(cluster, log: Log, settings) -> None:
    settings.DJANGO_WORKFLOWS = SETTINGS
    wedged = cluster(workflows=SETTINGS, q={"recycle": 100_000})
    workflow.result(chain.start(log.path, 1), timeout=PATIENCE)
    assert check_health().ok
    # As one that waits for the lock of a dead worker, which is left to chance: it hands nothing out any more.
    os.kill(wedged.pids("pusher")[-1], signal.SIGSTOP)
    start_what_nobody_takes(log)
    with promise(30 / 4):
        wait_for(lambda: "takes any" in wedged.log, message="the cluster says nothing")
    health = check_health()
    assert not health.ok
    (queue,) = health.queues
    assert queue.stalled
    assert (queue.due, queue.workers, queue.busy) == (1, 2, 0)
    try:
        call_command("workflows", "recover")
    except CommandError as error:
        assert "does not go on" in str(error)
    else:
        raise AssertionError("it is still stalled")
    # Another cluster takes the work, and the wedged one sees that it goes on.
    cluster(workflows=SETTINGS)
    wait_for(lambda: "goes on" in wedged.log, message="the end of the stall is not said")
    assert check_health().ok


def wedge(running: Cluster, log: Log) -> float:
    """Kill all idle workers of a stock cluster, one of which had the lock of its queue; since when work waits: 5 s."""
    for _ in range(5):
        idle = running.workers()
        for pid in idle:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda idle=idle: len(set(running.workers()) - set(idle)) == 2, message="they are not replaced")
        due_at, waiting = time.monotonic(), chain.start(log.path, 1)
        try:
            workflow.result(waiting, timeout=5)
        except TimeoutError:
            return due_at
    raise AssertionError("django-q2 outlives the death of all of its idle workers")


def test_a_real_wedge_is_noticed_within_half_a_minute_by_default(
    cluster, log: Log, record_property: Callable[[str, object], None]
) -> None:
    """All of ``DJANGO_WORKFLOWS`` as it comes, and django-q2's own sentinel."""
    wedged = cluster(workflows={}, q={"recycle": 100_000})
    wait_for(lambda: Worker.objects.count() == 2)
    due_at = wedge(wedged, log)
    with promise(25):
        wait_for(lambda: "takes any" in wedged.log, message="the cluster says nothing")
    took = time.monotonic() - due_at
    assert not check_health().ok
    with pytest.raises(CommandError, match="not start|does not go on|problem"):
        call_command("workflows", "doctor")
    record_property("figures", f"a plain qcluster's wedge was said aloud after {took:.1f} s at default settings")


def test_a_busy_queue_is_not_called_stalled(cluster, log: Log, settings) -> None:
    settings.DJANGO_WORKFLOWS = one_at_a_time = {**SETTINGS, "ACTION_THREADS": 0}
    running = cluster(workflows=one_at_a_time, q={"workers": 1})
    ids = [chain.start(log.path, 3, 1.0) for _ in range(3)]
    wait_for(lambda: any(queue.growing for queue in check_health().queues), message="it is not called growing")
    assert check_health().ok
    for each in ids:
        workflow.result(each, timeout=PATIENCE)
    assert "takes any" not in running.log
