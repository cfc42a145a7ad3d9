"""Living workers are listed with what they do, their leases are renewed, and those who left are forgotten."""

from django.db.models import F
from django.utils import timezone

from django_workflows.engine.machine import is_gone, machine, worker_id
from django_workflows.models import Step, Worker
from tests.app.cluster_workflows import one as one_step
from tests.app.cluster_workflows import workflow
from tests.q2.conftest import SHORT_LEASE, Log
from tests.waiting import PATIENCE, wait_for


def listed() -> set[int]:
    return set(Worker.objects.values_list("pid", flat=True))


def test_idle_workers_are_listed_until_they_leave(cluster) -> None:
    running = cluster(workflows=SHORT_LEASE, q={"workers": 3})
    pids = set(running.workers())
    wait_for(lambda: listed() == pids, message="not all are listed")
    worker = Worker.objects.all()[0]
    assert (worker.role, worker.queue, worker.doing) == ("worker", "", "")
    before = worker.seen_at
    wait_for(lambda: Worker.objects.get(pk=worker.pk).seen_at > before, message="no further beat")
    assert running.stop() == 0
    assert listed() == set()


def test_worker_says_what_it_does_and_keeps_a_step_longer_than_its_lease(cluster, log: Log) -> None:
    cluster(workflows=SHORT_LEASE)
    lease = SHORT_LEASE["LEASE"]
    workflow_id = one_step.start("action", "act", [log.path, "x", 3.0 * lease], retry=True)
    pid = log.wait_for("begin-x").pid
    doing = wait_for(lambda: Worker.objects.get(pid=pid).doing, message="it does not say what it does")
    assert str(workflow_id) in doing
    assert "cluster_steps.act" in doing
    first = Step.objects.get(workflow_id=workflow_id).due_at
    wait_for(lambda: (Step.objects.get(workflow_id=workflow_id).due_at or first) > first, message="lease not renewed")
    assert workflow.result(workflow_id, timeout=PATIENCE) == "x"
    assert log.texts == ["begin-x", "end-x"]
    wait_for(lambda: Worker.objects.get(pid=pid).doing == "", message="it still says that it works")


def test_without_the_heartbeat_that_step_would_be_taken_over(cluster, log: Log) -> None:
    """The test above has teeth."""
    cluster(command=("without", "heartbeat"), workflows=SHORT_LEASE)
    one_step.start("action", "act", [log.path, "x", 3.0 * SHORT_LEASE["LEASE"]], retry=True)
    wait_for(lambda: log.texts.count("begin-x") == 2, message="no second worker has begun it")
    assert "end-x" not in log.texts, "while the first still runs it"


def test_long_mutation_is_not_taken_over(cluster, log: Log) -> None:
    cluster(workflows=SHORT_LEASE)
    workflow_id = one_step.start("mutation", "change", [log.path, "x", 2.0 * SHORT_LEASE["LEASE"]])
    assert workflow.result(workflow_id, timeout=PATIENCE) == "x"
    assert log.texts == ["begin-x", "end-x"]


def test_killed_workers_are_forgotten_by_those_that_follow(cluster) -> None:
    killed = cluster(workflows={"LEASE": 300})
    wait_for(lambda: listed() == set(killed.workers()))
    killed.kill()
    assert len(listed()) == 2
    following = cluster(workflows={"LEASE": 300})
    wait_for(lambda: listed() == set(following.workers()), message="the dead are still listed")


def test_workers_of_other_machines_are_left_alone(cluster) -> None:
    now = timezone.now()
    row = {"host": "elsewhere", "pid": 1, "started_at": now, "seen_at": now}
    Worker.objects.create(id="elsewhere:1:1:0123456789ab:1", **row)
    Worker.objects.create(id="an id of any other form", **row)
    running = cluster()
    wait_for(lambda: listed() >= set(running.workers()))
    wait_for(lambda: running.stop() == 0)
    assert Worker.objects.filter(host="elsewhere").count() == 2
    assert not Worker.objects.exclude(host="elsewhere").exists()
    assert Worker.objects.filter(started_at=F("seen_at")).count() == 2


def test_process_is_told_from_another_of_the_same_number() -> None:
    import os

    mine = worker_id(os.getpid(), "x")
    host, pid, began, where, _ = mine.split(":")
    assert where == machine()
    assert len(mine) <= 64
    assert not is_gone(mine)
    assert is_gone(f"{host}:{pid}:{int(began) - 1}:{where}:x")
    assert is_gone(f"{host}:{2**22 + 1}:{began}:{where}:x")
    assert not is_gone(f"{host}:{2**22 + 1}:{began}:another:x")
    assert not is_gone("")
    assert not is_gone("host:12:34")
