"""`manage.py workflows cluster`: any of its processes is killed, idle or busy; it heals, and leaves no orphan."""

import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest
from django_q.models import OrmQ, Success, Task
from django_q.tasks import async_task

from django_workflows.models import Step, Worker
from tests.app.cluster_workflows import chain, workflow
from tests.app.cluster_workflows import one as one_step
from tests.cluster import HARDENED, Cluster, is_alive
from tests.promises import promise
from tests.q2.conftest import Log
from tests.waiting import PATIENCE, wait_for

LONG_LEASE = {"LEASE": 300}
HEALS_IN = 10.0
#: As ``HARDENED``, but it takes a process for wedged after a moment.
IMPATIENT = ("impatient_cluster",)
ROLES = ("worker", "pusher", "monitor", "sentinel")


@pytest.fixture
def hardened(cluster):  # type: ignore[no-untyped-def]
    def start(**options: object) -> Cluster:
        return cluster(**{"command": HARDENED, "workflows": LONG_LEASE, **options})

    return start


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(pid), message=f"{pid} survived kill -9")


def works(log: Log, name: str, *, within: float = HEALS_IN) -> float:
    """A workflow and an ordinary task get through, and the task is acknowledged; how many seconds that took."""
    began = time.monotonic()
    with promise(within):
        workflow_id = chain.start(log.path, 2)
        async_task("tests.app.cluster_steps.ordinary", log.path, name)
        assert workflow.result(workflow_id, timeout=PATIENCE) == 2
        log.wait_for(f"task-{name}")
        wait_for(lambda: not OrmQ.objects.exists(), message="the task was not acknowledged")
        return time.monotonic() - began


def size(cluster: Cluster) -> int:
    return len(cluster.processes())


def test_idle_processes_are_killed_one_after_the_other(
    hardened, log: Log, record_property: Callable[[str, object], None]
) -> None:
    running = hardened()
    took = dict.fromkeys(ROLES, 0.0)
    whole = size(running)
    assert whole == 6  # main, sentinel, monitor, pusher, two workers
    for round_ in range(3):
        for role in ROLES:
            known = wait_for(lambda role=role: running.pids(role))
            kill(known[round_ % len(known)] if role == "worker" else known[-1])
            took[role] = max(took[role], works(log, f"{role}-{round_}"))
            assert running.returncode is None
    figures = ", ".join(f"{role} {seconds:.1f} s" for role, seconds in took.items())
    record_property("figures", f"hardened cluster, killed while idle; it worked again within: {figures}")
    wait_for(lambda: size(running) == whole, message="orphans are left, or somebody is missing")
    assert running.stop() == 0
    assert not Worker.objects.exists()


def test_no_worker_looks_for_garbage_in_what_the_project_has_loaded(hardened) -> None:  # type: ignore[no-untyped-def]
    hardened()
    loaded = workflow.result(one_step.start("action", "here_to_stay", []), timeout=PATIENCE)
    assert loaded > 10_000, "Django alone is more than that"


@pytest.mark.parametrize("role", ROLES)
def test_a_busy_cluster_heals_and_goes_on(
    hardened, log: Log, role: str, record_property: Callable[[str, object], None]
) -> None:
    """Only what the killed process itself had in hand is lost, but for the sentinel, with which all go."""
    running = hardened(q={"workers": 3})
    before = running.processes()
    busy = one_step.start("action", "act", [log.path, "busy", 4.0])
    other = one_step.start("action", "act_slowly_at_first", [log.path, "other", 4.0], retry=True)
    begun = {name: log.wait_for(f"begin-{name}").pid for name in ("busy", "other-1")}
    kill(begun["other-1"] if role == "worker" else running.pids(role)[-1])
    took = works(log, "after")
    record_property("figures", f"hardened cluster, {role} killed while busy: it worked again after {took:.1f} s")
    if role == "sentinel":
        assert workflow.result(busy, timeout=PATIENCE).startswith("django_workflows.exceptions.AttemptLost")
    else:
        assert workflow.result(busy, timeout=PATIENCE) == "busy"
        assert log.texts.count("begin-busy") == 1
    assert workflow.result(other, timeout=PATIENCE) == (2 if role in ("worker", "sentinel") else 1)
    kept = {running.pid} | ({running.pids("sentinel")[-1]} if role != "sentinel" else set())
    wait_for(lambda: {each.pid for each in before if is_alive(each.pid)} == kept, message="the old crew is left")
    wait_for(lambda: size(running) == 7, message="somebody is missing, or left over")


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_death_of_the_main_process_ends_all_of_them(hardened, log: Log, busy: bool) -> None:
    running = hardened()
    if busy:
        workflow_id = one_step.start("action", "act_slowly_at_first", [log.path, "x", 60], retry=True)
        log.wait_for("begin-x-1")
    processes = running.processes()
    kill(running.pid)
    with promise(HEALS_IN):
        wait_for(lambda: not any(is_alive(each.pid) for each in processes), message="orphans are left")
    assert running.returncode == -signal.SIGKILL  # whoever supervises it starts another
    if busy:
        hardened()
        with promise(HEALS_IN):
            assert workflow.result(workflow_id, timeout=PATIENCE) == 2


def test_a_short_step_outlives_the_main_process(hardened, log: Log) -> None:
    running = hardened()
    workflow_id = one_step.start("action", "act", [log.path, "x", 1.0])
    log.wait_for("begin-x")
    kill(running.pid)
    wait_for(lambda: not running.processes())
    assert workflow.status(workflow_id).result == "x"
    assert not Worker.objects.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_to_the_whole_group_ends_it_within_the_running_step(hardened, log: Log, number: int) -> None:
    running = hardened()
    ids = [chain.start(log.path, 50, 1.0) for _ in range(2)]
    wait_for(lambda: log.texts.count("begin-1") == 2)
    os.killpg(running.pid, number)
    signaled_at = time.time()
    wait_for(lambda: not running.processes(), message="it does not end")
    assert wait_for(lambda: (running.returncode,) if running.returncode is not None else None) == (0,)
    late = [note for note in log.notes if note.text.startswith("begin") and note.at > signaled_at]
    assert len(late) <= 2, "one for each worker, while the signal was on its way"
    assert len([text for text in log.texts if text.startswith("begin")]) == len(log.texts) / 2, "a step was cut off"
    assert not Step.objects.filter(state="running").exists()
    assert not Worker.objects.exists()
    assert {workflow.status(each).type for each in ids} == {"in_progress"}


def test_one_worker_is_asked_to_go(hardened, log: Log) -> None:
    running = hardened()
    workflow_id = one_step.start("action", "act", [log.path, "x", 1.0])
    worker = log.wait_for("begin-x").pid
    os.kill(worker, signal.SIGTERM)
    assert workflow.result(workflow_id, timeout=PATIENCE) == "x"
    wait_for(lambda: not is_alive(worker), message="it does not go")
    wait_for(lambda: len(running.workers()) == 2, message="nobody came in its place")
    assert "new crew" not in running.log


def test_a_frozen_idle_worker_does_not_stop_the_others(hardened, log: Log) -> None:
    running = hardened(command=IMPATIENT)
    frozen = running.workers()
    wait_for(lambda: Worker.objects.count() == 2)  # and no longer write to the database
    for pid in frozen:  # one of them has the lock of the queue
        os.kill(pid, signal.SIGSTOP)
    async_task("tests.app.cluster_steps.ordinary", log.path, "noticed")
    wait_for(lambda: "idle workers take none" in running.log, message="it is not noticed")
    works(log, "after")
    log.wait_for("task-noticed")  # nobody of the old crew had begun it
    wait_for(lambda: not any(map(is_alive, frozen)), message="the frozen ones are left")


def test_a_frozen_pusher_or_monitor_is_replaced(hardened, log: Log) -> None:
    running = hardened(command=IMPATIENT)
    wait_for(lambda: Worker.objects.count() == 2)
    for role in ("pusher", "monitor"):
        pid = running.pids(role)[-1]
        os.kill(pid, signal.SIGSTOP)
        works(log, role, within=20)
        wait_for(lambda pid=pid: not is_alive(pid), message=f"the frozen {role} is left")


def test_a_sentinel_that_dies_at_once_each_time_is_given_up(hardened) -> None:
    running = hardened()
    for _ in range(5):
        sentinel = wait_for(lambda: running.pids("sentinel"))[-1]
        kill(sentinel)
    wait_for(lambda: running.returncode is not None, message="the main process does not give up")
    assert running.returncode == 1
    assert not running.processes()


def test_what_a_step_starts_takes_signals_as_usual(hardened, log: Log) -> None:
    hardened()
    workflow_id = one_step.start("action", "start_and_terminate", [])
    assert workflow.result(workflow_id, timeout=PATIENCE) == -signal.SIGTERM


def test_foreign_tasks_that_cannot_be_pickled_hold_nobody_up(hardened, log: Log) -> None:
    running = hardened(q={"retry": 6, "timeout": 5})
    async_task("tests.app.cluster_steps.ordinary", log.path, "x", hook=None)
    log.wait_for("task-x")
    from django_q.signing import SignedPackage

    from tests.app import cluster_steps

    cluster_steps.Gone = type("Gone", (), {"__module__": cluster_steps.__name__})
    task = {"id": "a" * 32, "name": "gone", "func": "tests.app.cluster_steps.ordinary", "args": (cluster_steps.Gone(),)}
    payload = SignedPackage.dumps({**task, "kwargs": {}, "started": None})
    del cluster_steps.Gone
    broken = OrmQ.objects.create(key="tests", payload=payload, lock="2020-01-01T00:00Z")
    result_id = async_task("tests.app.cluster_steps.returns_a_lock", ack_failure=True)
    wait_for(lambda: "cannot be read" in running.log, message="the broken task was not noticed")
    for index in range(5):
        workflow_id = chain.start(log.path, 2)
        with promise(3):
            assert workflow.result(workflow_id, timeout=PATIENCE) == 2, index
    assert OrmQ.objects.filter(pk=broken.pk).exists(), "newer code could still run it"
    assert "cannot be pickled" in wait_for(lambda: Task.objects.filter(pk=result_id).first()).result
    assert "new crew" not in running.log
    assert Success.objects.count() == 1


def test_a_worker_that_dies_with_a_lock_of_its_timer_stops_nobody(hardened, log: Log) -> None:
    """It holds that lock while it hands over a result; the sentinel must not wait for it."""
    running = hardened()
    async_task("tests.app.cluster_steps.dies_with_the_timer")
    log_before = running.log.count("new crew")
    wait_for(lambda: running.log.count("new crew") > log_before)
    OrmQ.objects.all().delete()
    works(log, "after")


def test_exit_code_is_for_supervisors(hardened) -> None:
    running = hardened()
    processes = [psutil.Process(pid) for pid in running.pids("sentinel")]
    assert running.stop() == 0
    assert not any(is_alive(process.pid) for process in processes)
