"""SIGTERM to the main process: the running step ends, nothing new begins, no process is left."""

import os
import signal
import time

import psutil
import pytest

from django_workflows.models import Step, Worker
from tests.app.cluster_workflows import chain, workflow
from tests.app.cluster_workflows import one as one_step
from tests.cluster import is_alive
from tests.promises import promise
from tests.q2.conftest import Log
from tests.waiting import wait_for


@pytest.mark.parametrize("broker", ["journal", "other"])
def test_no_further_step_begins_once_the_cluster_is_stopping(cluster, log: Log, request, broker: str) -> None:
    q = request.getfixturevalue("plain_orm") if broker == "other" else {}
    # The budget of a drain would let a chain go on for a minute.
    stopped = cluster(q=q, workflows={"DRAIN_SECONDS": 60})
    ids = [chain.start(log.path, 200, 1.0) for _ in range(2)]
    wait_for(lambda: log.texts.count("begin-1") == 2)
    signaled_at = time.time()
    assert stopped.stop() == 0
    late = [note for note in log.notes if note.text.startswith("begin") and note.at > signaled_at]
    assert len(late) <= 2, "one for each worker, while the signal was on its way from the main process"
    assert len([text for text in log.texts if text.startswith("begin")]) == len(log.texts) / 2, "a step was cut off"
    assert all(workflow.status(each).type == "in_progress" for each in ids)
    assert not Step.objects.filter(state="running").exists(), "the next step was left claimed"
    assert not Worker.objects.exists()
    # What the next cluster goes on with was not counted as an attempt.
    assert set(Step.objects.values_list("attempt", flat=True)) <= {0, 1}
    before = len(log.notes)
    cluster()
    wait_for(lambda: len(log.notes) > before, message="nobody goes on")
    assert not Step.objects.filter(attempt__gt=1).exists()


def test_stop_waits_for_the_running_step_and_leaves_no_process(cluster, log: Log) -> None:
    stopped = cluster()
    workflow_id = one_step.start("action", "act", [log.path, "x", 1.0])
    log.wait_for("begin-x")
    processes = stopped.processes()
    assert len(processes) >= 6  # main, sentinel, monitor, pusher, two workers
    assert stopped.stop() == 0
    assert log.texts == ["begin-x", "end-x"]
    assert not any(is_alive(process.pid) for process in processes)
    assert workflow.status(workflow_id).result == "x"


def test_idle_cluster_stops_soon(cluster) -> None:
    stopped = cluster()
    with promise(5):
        assert stopped.stop() == 0


def test_orphaned_worker_begins_nothing_new(cluster, log: Log) -> None:
    """The sentinel is killed: its workers live on, but leave work to others after their running step."""
    cluster(q={"workers": 1}, workflows={"DRAIN_SECONDS": 60})
    workflow_id = chain.start(log.path, 200, 0.3)
    worker = log.wait_for("begin-1").pid
    os.kill(psutil.Process(worker).ppid(), signal.SIGKILL)
    wait_for(lambda: not Step.objects.filter(workflow_id=workflow_id, state="running").exists())
    assert is_alive(worker)
    before = len(log.notes)
    cluster(q={"workers": 1})
    wait_for(lambda: len(log.notes) > before + 2)
    assert {note.pid for note in log.notes[before:]} & {worker} == set()
