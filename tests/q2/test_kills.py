"""kill -9 and frozen processes: what was lost comes back, mutations have one effect, late results are dropped."""

import os
import signal
from contextlib import suppress

import psutil

from django_workflows.models import Step, Worker
from tests.app.cluster_workflows import brisk, chain, everything, workflow
from tests.app.cluster_workflows import one as one_step
from tests.app.models import Effect
from tests.cluster import HARDENED, Cluster
from tests.q2.conftest import SHORT_LEASE, Log
from tests.waiting import PATIENCE, wait_for

#: A lease that no test waits for: what comes back sooner was noticed otherwise.
#: Actions are in the main thread: a plain cluster's worker that is killed while it waits for a task, as one does whose
#: actions are in threads, may leave its queue locked.
LONG_LEASE = {"LEASE": 300, "ACTION_THREADS": 0}
LOST = "django_workflows.exceptions.AttemptLost"


def kill_in(cluster: Cluster, log: Log, text: str) -> int:
    """kill -9 the worker which has noted ``text``."""
    return cluster.kill_worker(log.wait_for(text).pid)


def test_action_with_retry_runs_again_at_once(cluster, log: Log) -> None:
    killed = cluster(workflows=LONG_LEASE)
    workflow_id = one_step.start("action", "act_slowly_at_first", [log.path, "x", 60], retry=True)
    pid = kill_in(killed, log, "begin-x-1")
    assert workflow.result(workflow_id, timeout=PATIENCE) == 2
    assert log.texts == ["begin-x-1", "begin-x-2", "end-x-2"]
    (step,) = workflow.steps(workflow_id)
    assert step.attempt == 2
    assert LOST in step.failures
    wait_for(lambda: not Worker.objects.filter(pid=pid).exists(), message="the dead worker is still listed")


def test_action_without_retry_is_not_run_again(cluster, log: Log) -> None:
    killed = cluster(workflows=LONG_LEASE)
    workflow_id = one_step.start("action", "act", [log.path, "x", 60])
    kill_in(killed, log, "begin-x")
    assert workflow.result(workflow_id, timeout=PATIENCE).startswith(LOST)
    assert log.texts == ["begin-x"]


def test_mutation_runs_again_and_has_one_effect(cluster, log: Log) -> None:
    killed = cluster(workflows=LONG_LEASE)
    workflow_id = one_step.start("mutation", "change_slowly_at_first", [log.path, "x", 60])
    kill_in(killed, log, "begin-x")
    assert workflow.result(workflow_id, timeout=PATIENCE) == 2
    assert log.texts == ["begin-x", "begin-x", "end-x"]
    assert Effect.objects.get().key == "x"


def test_lease_alone_brings_work_back(cluster, log: Log) -> None:
    killed = cluster(workflows={**SHORT_LEASE, "ACTION_THREADS": 0})
    workflow_id = one_step.start("action", "act_slowly_at_first", [log.path, "x", 60], retry=True)
    pid = log.wait_for("begin-x-1").pid
    Worker.objects.filter(pid=pid).update(id="elsewhere:1:1:another-boot:1")
    killed.kill_worker(pid)
    # The killed worker is not recognized as one of this machine.
    assert workflow.result(workflow_id, timeout=PATIENCE) == 2


def test_another_cluster_goes_on_after_a_power_cut(cluster, log: Log) -> None:
    first = cluster(workflows=LONG_LEASE)
    action_id = one_step.start("action", "act_slowly_at_first", [log.path, "a", 60], retry=True)
    log.wait_for("begin-a-1")
    later = everything.with_options(run_after=2)
    more_ids = [later.start(log.path, f"e{index}") for index in range(5)]
    mutation_id = one_step.start("mutation", "change_slowly_at_first", [log.path, "m", 60])
    log.wait_for("begin-m")
    first.kill()
    cluster(workflows=LONG_LEASE)
    assert workflow.result(mutation_id, timeout=PATIENCE) == 2
    assert workflow.result(action_id, timeout=PATIENCE) == 2
    for index, each in enumerate(more_ids):
        assert workflow.result(each, timeout=PATIENCE) == [f"e{index}-first", 5, f"e{index}-child", f"e{index}-last"]
    assert Effect.objects.count() == 11
    assert all(log.texts.count(f"end-e{index}-last") == 1 for index in range(5))


def test_killing_workers_again_and_again_loses_and_doubles_nothing(cluster, log: Log) -> None:
    # The stock cluster would be dead for good if the one that is killed had just become idle.
    killed = cluster(command=HARDENED, workflows=SHORT_LEASE, q={"workers": 3})
    ids = [everything.start(log.path, f"e{index}") for index in range(30)]
    busy: set[int] = set()
    for _ in range(4):
        known_before = len(log.notes)
        wait_for(lambda before=known_before: len(log.notes) > before or None, message="nothing goes on")
        pid = log.notes[-1].pid
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            killed.kill_worker(pid)
        busy.add(pid)
        wait_for(lambda: len(set(killed.workers()) - busy) >= 1)
    ended = [wait_for(lambda each=each: workflow.status(each).type != "in_progress") for each in ids]
    assert all(ended)
    completed = [index for index, each in enumerate(ids) if workflow.status(each).type == "completed"]
    # An action without retry may have been lost with its worker, nothing else may fail.
    lost = [workflow.status(each).error for each in ids if workflow.status(each).type == "failed"]
    assert all("was lost" in error for error in lost), lost
    assert len(lost) <= 4
    expected = {f"e{index}-{which}" for index in completed for which in ("first", "last")}
    assert expected <= set(Effect.objects.values_list("key", flat=True))


def test_worker_that_was_frozen_past_its_lease_changes_nothing(cluster, log: Log) -> None:
    cluster(workflows=SHORT_LEASE)
    workflow_id = one_step.start("action", "act_slowly_at_first", [log.path, "x", 0.5], retry=True)
    pid = log.wait_for("begin-x-1").pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert workflow.result(workflow_id, timeout=PATIENCE) == 2
        (before,) = workflow.steps(workflow_id).values()
    finally:
        os.kill(pid, signal.SIGCONT)
    log.wait_for("end-x-1")
    # It works on, after its own late result was refused.
    next_ids = [chain.start(log.path, 3) for _ in range(5)]
    assert [workflow.result(each, timeout=PATIENCE) for each in next_ids] == [3] * 5
    (after,) = workflow.steps(workflow_id).values()
    assert before == after
    assert workflow.status(workflow_id).result == 2


def test_worker_that_was_frozen_in_a_batch_changes_nothing(cluster, log: Log) -> None:
    """Neither by the step that it was in, nor by those of its neighbours, which it does not begin any more."""
    cluster(command=("brisk_cluster",), workflows=SHORT_LEASE)
    ids = brisk.start_many([(log.path, f"w{index}", 4 if index == 12 else -1) for index in range(32)])
    pid = log.wait_for("begin-w12-4-1").pid
    try:
        results = [workflow.result(each, timeout=PATIENCE) for each in ids]
        before = list(Step.objects.filter(workflow__in=ids).order_by("id").values())
    finally:
        os.kill(pid, signal.SIGCONT)
    taken_over = [each for each in before if each["attempt"] == 2]
    assert len(taken_over) > 1, "it held others beside the one that it was in"
    assert results[12][4] == 2
    log.wait_for("end-w12-4-1")
    next_ids = brisk.start_many([(log.path, "afterwards") for _ in range(20)])
    assert [workflow.result(each, timeout=PATIENCE) for each in next_ids] == [[1] * 8] * 20
    assert list(Step.objects.filter(workflow__in=ids).order_by("id").values()) == before
    late = [each for each in log.notes if each.at > log.wait_for("end-w12-4-1").at]
    assert [each for each in late if each.pid == pid and each.text.startswith("begin-w")] == []
