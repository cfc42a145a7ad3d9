"""What the hardened cluster takes for granted of django-q2. A release that changes any of it is noticed here."""

import inspect
import re
from importlib.metadata import version
from pathlib import Path

import django_q
import pytest
from django_q import cluster, monitor, pusher, scheduler, worker
from django_q.brokers import Broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.queues import Queue, SharedCounter
from django_q.status import Stat

from django_workflows.q2.cluster import versions

SOURCES = Path(django_q.__file__).parent


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)


def source(thing: object) -> str:
    return re.sub(r"\s+", " ", inspect.getsource(thing))


def test_the_installed_version_was_tested() -> None:
    assert version("django-q2") in versions.TESTED
    assert versions.is_tested()


def test_an_untested_version_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    from django_workflows.checks.cluster import check_cluster

    monkeypatch.setattr(versions, "version", lambda name: "1.99.0")
    versions.warn_if_untested()
    assert "1.99.0" in caplog.text
    assert [each.id for each in check_cluster()] == ["django_workflows.W025"]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (worker.worker, ["task_queue", "result_queue", "timer", "timeout"]),
        (monitor.monitor, ["result_queue", "broker"]),
        (pusher.pusher, ["task_queue", "event", "broker"]),
        (scheduler.scheduler, ["broker"]),
        (
            cluster.Sentinel.__init__,
            ["self", "stop_event", "start_event", "cluster_id", "broker", "timeout", "start"],
        ),
        (cluster.Cluster.__init__, ["self", "broker"]),
        (Broker.dequeue, ["self"]),
        (Broker.fail, ["self", "task_id"]),
        (ORM.get_connection, ["list_key"]),
        (Stat.__init__, ["self", "sentinel"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_functions_take_what_they_are_given(function: object, expected: list[str]) -> None:
    assert parameters(function) == expected


def test_worker_and_monitor_take_from_their_queues_until_the_stop_pill() -> None:
    assert 'for task in iter(task_queue.get, "STOP")' in source(worker.worker)
    assert 'for task in iter(result_queue.get, "STOP")' in source(monitor.monitor)


def test_the_timer_says_idle_busy_expired_recycled() -> None:
    text = source(worker.worker)
    assert "timer.value = -1 # Idle" in text
    assert "timer.value = timer_value # Busy" in text
    assert "timer.value = 0 break" in text
    assert "timer.value = -2 # Recycled" in text
    assert "with timer.get_lock():" in text  # it may die with that lock


def test_a_worker_announces_itself_and_each_task() -> None:
    text = source(worker.worker)
    assert 'post_spawn.send(sender="django_q", proc_name=proc_name)' in text
    assert 'pre_execute.send(sender="django_q", func=f, task=task)' in text
    assert 'post_execute_in_worker.send(sender="django_q", func=f, task=task)' in text


def test_the_sentinel_begins_only_when_it_is_started() -> None:
    text = source(cluster.Sentinel.__init__)
    assert "if start: self.start()" in text
    for name in ("stop_event", "start_event", "cluster_id", "broker", "reincarnations", "tob", "pool_size", "timeout"):
        assert f"self.{name} = " in text
    assert source(cluster.Sentinel.start).endswith("self.broker.ping() self.spawn_cluster() self.guard() ")


def test_status_reads_what_the_sentinel_has() -> None:
    read = set(re.findall(r"sentinel\.(\w+)", source(Stat.__init__)))
    assert read <= {
        *("parent_pid", "pid", "cluster_id", "broker", "tob", "reincarnations", "status"),
        *("result_queue", "task_queue", "monitor", "pusher", "pool"),
    }


def test_queues_count_in_shared_memory() -> None:
    queue = Queue()
    assert isinstance(queue.size, SharedCounter)
    assert queue.size.count.get_obj().value == 0
    assert hasattr(queue, "_reader")
    assert hasattr(queue, "_rlock")
    queue.close()


def test_its_own_processes_use_nothing_else_of_the_pusher() -> None:
    """Ours takes its place: what it writes into a task, ours does too."""
    assert set(re.findall(r'task\["(\w+)"\] =', source(pusher.pusher))) == {"cluster", "ack_id"}


def test_settings_that_the_cluster_reads() -> None:
    for name in ("GUARD_CYCLE", "QUEUE_LIMIT", "WORKERS", "TIMEOUT", "SCHEDULER", "CLUSTER_NAME", "DAEMONIZE_WORKERS"):
        assert hasattr(Conf, name), name


def test_the_name_of_a_cluster_comes_from_the_environment() -> None:
    assert 'os.getenv("Q_CLUSTER_NAME")' in (SOURCES / "conf.py").read_text()
