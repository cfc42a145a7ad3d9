"""Any other django-q2 broker, here its own ORM one: all ends, only later, and lost or doubled messages do no harm."""

from uuid import UUID

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.brokers.orm import ORM
from django_q.models import OrmQ, Schedule

from django_workflows.q2.schedules import SWEEP_NAME
from django_workflows.q2.tasks import DRAIN, SWEEP, package
from tests.app.cluster_workflows import everything, on_slow, timer, workflow
from tests.app.cluster_workflows import one as one_step
from tests.app.models import Effect
from tests.app.workflows import retried
from tests.promises import promise
from tests.q2.conftest import SHORT_LEASE, Log
from tests.waiting import PATIENCE, wait_for


def whole(index: int) -> list[object]:
    return [f"e{index}-first", 5, f"e{index}-child", f"e{index}-last"]


def start_without_message(*names: str, log: Log) -> list[UUID]:
    ids = [one_step.start("action", "act", [log.path, name]) for name in names]
    assert OrmQ.objects.all().delete()[0] > 0
    return ids


def test_workflows_of_every_shape_end(cluster, log: Log, plain_orm) -> None:
    assert type(get_broker()) is ORM
    cluster(q=plain_orm)
    ids = [everything.start(log.path, f"e{index}") for index in range(8)]
    retried_id = retried.start("other-broker", 3)
    assert [workflow.result(each, timeout=PATIENCE) for each in ids] == [whole(index) for index in range(8)]
    assert workflow.result(retried_id, timeout=PATIENCE) == 3
    assert Effect.objects.count() == 16


def test_timer_is_a_delayed_message(cluster, log: Log, plain_orm) -> None:
    cluster(q=plain_orm, workflows={"LEASE": 300})
    started_at = timezone.now().timestamp()
    with promise(4):
        timer.start(log.path, "x", 1.5)
        assert log.wait_for("begin-x").at - started_at >= 1.5


def test_named_queue(cluster, log: Log, plain_orm) -> None:
    named = {**plain_orm, "ALT_CLUSTERS": {"slow": {"workers": 1}}, "workers": 1}
    main, other = cluster(q=named), cluster(q=named, env={"Q_CLUSTER_NAME": "slow"})
    assert workflow.result(on_slow.start(log.path, "x"), timeout=PATIENCE) == "x"
    assert {note.pid for note in log.notes} <= set(other.workers())
    workflow.result(one_step.start("action", "act", [log.path, "y"]), timeout=PATIENCE)
    assert log.notes[-1].pid in main.workers()


def test_doubled_messages_change_nothing(cluster, log: Log, plain_orm) -> None:
    ids = [everything.start(log.path, f"e{index}") for index in range(5)]
    broker = get_broker()
    for _ in range(20):
        broker.enqueue(package(""))
    cluster(q=plain_orm)
    assert [workflow.result(each, timeout=PATIENCE) for each in ids] == [whole(index) for index in range(5)]
    assert Effect.objects.count() == 10
    assert sorted(log.texts) == sorted(set(log.texts))
    wait_for(lambda: not OrmQ.objects.exists(), message="messages are left")


def test_idle_worker_finds_work_whose_message_was_lost(cluster, log: Log, plain_orm) -> None:
    cluster(q=plain_orm, workflows=SHORT_LEASE)
    (workflow_id,) = start_without_message("x", log=log)
    assert workflow.result(workflow_id, timeout=30) == "x"


def test_sweep_finds_work_whose_message_was_lost(cluster, log: Log, plain_orm) -> None:
    ids = start_without_message("x", "y", log=log)
    Schedule.objects.filter(name=SWEEP_NAME).update(next_run=timezone.now())
    # With so long a guard cycle django-q2's scheduler runs when the cluster starts; no heartbeat is due meanwhile.
    cluster(q={**plain_orm, "guard_cycle": 30}, workflows={"LEASE": 600})
    assert [workflow.result(each, timeout=PATIENCE) for each in ids] == ["x", "y"]


def test_broker_that_cannot_delay_messages(cluster, log: Log, message_broker) -> None:
    """Short waits are waited for by the worker that had the message, longer ones found by idle ones' heartbeats."""
    assert not isinstance(get_broker(), ORM)
    cluster(q=message_broker, workflows=SHORT_LEASE)
    ids = [everything.start(log.path, f"e{index}") for index in range(8)]
    retried_id = retried.start("message-broker", 3)
    started_at = timezone.now().timestamp()
    timer.start(log.path, "long", 2.5)
    assert [workflow.result(each, timeout=PATIENCE) for each in ids] == [whole(index) for index in range(8)]
    assert workflow.result(retried_id, timeout=PATIENCE) == 3
    assert log.wait_for("begin-long").at - started_at >= 2.5


def test_other_broker_loses_nothing_when_a_worker_is_killed(cluster, log: Log, message_broker) -> None:
    # In the main thread: a plain cluster's worker that is killed while it waits for a task may leave its queue locked.
    killed = cluster(q=message_broker, workflows={"LEASE": 300, "ACTION_THREADS": 0})
    workflow_id = one_step.start("action", "act_slowly_at_first", [log.path, "x", 60], retry=True)
    killed.kill_worker(log.wait_for("begin-x-1").pid)
    assert workflow.result(workflow_id, timeout=PATIENCE) == 2


@pytest.mark.usefixtures("transactional_db")
def test_sweep_is_scheduled_once_by_migrate() -> None:
    call_command("migrate", verbosity=0)
    schedule = Schedule.objects.get(func=SWEEP)
    assert (schedule.name, schedule.schedule_type, schedule.minutes) == (SWEEP_NAME, Schedule.MINUTES, 1)
    Schedule.objects.filter(pk=schedule.pk).update(minutes=5)
    call_command("migrate", verbosity=0)
    assert Schedule.objects.get(func=SWEEP).minutes == 5, "what an administrator changed was overwritten"
    assert schedule.func != DRAIN
