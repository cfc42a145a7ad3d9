"""Workflows that are started by a schedule of django-q2's."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler
from django_q.signing import SignedPackage
from django_q.tasks import Task

from django_workflows import DefinitionNotFound, InvalidArguments, schedule_workflow
from django_workflows.engine.drain import drain
from django_workflows.engine.worker import Worker
from tests.app.workflows import asks_approval, nothing, sums, workflow
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


def tick() -> None:
    """What django-q2 does at a time of the schedule: its scheduler queues the task, and a worker runs it."""
    scheduler()
    for queued in OrmQ.objects.all():
        task = SignedPackage.loads(queued.payload)
        if task["func"].endswith("start_scheduled"):
            from django_workflows.q2.recurring import start_scheduled

            start_scheduled(*task["args"], **{k: v for k, v in task["kwargs"].items() if k != "q_options"})
        queued.delete()


def again(schedule: Schedule) -> None:
    Schedule.objects.filter(pk=schedule.pk).update(next_run=timezone.now() - timedelta(seconds=1))


def test_each_time_of_the_schedule_starts_one() -> None:
    schedule = schedule_workflow("nightly", sums, {"numbers": [1, 2]}, every=MINUTE)
    tick()
    drain(Worker(), seconds=5)
    again(schedule)
    tick()
    drain(Worker(), seconds=5)
    assert list(workflow.list().values_list("state", "result")) == [("completed", "3")] * 2


def test_a_time_whose_task_comes_twice_starts_one() -> None:
    from django_workflows.q2.recurring import start_scheduled

    for _ in range(2):
        start_scheduled(nothing.name, "{}", "nightly", "allow", "2026-01-01T00:00:00+00:00")
    assert workflow.list().count() == 1


@pytest.mark.parametrize(("overlap", "count"), [("skip", 1), ("allow", 2)])
def test_while_one_runs_another_is_skipped_or_allowed(overlap: str, count: int) -> None:
    schedule = schedule_workflow("approvals", asks_approval, every=MINUTE, overlap=overlap)
    tick()
    again(schedule)
    tick()
    assert workflow.list(state="in_progress").count() == count


def test_the_same_name_changes_the_schedule() -> None:
    schedule_workflow("nightly", nothing, every=MINUTE)
    schedule_workflow("nightly", nothing, cron="0 3 * * *")
    schedule = Schedule.objects.get(name="nightly")
    assert (schedule.schedule_type, schedule.cron) == (Schedule.CRON, "0 3 * * *")
    assert schedule.next_run > timezone.now()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cron": "not cron"},
        {"cron": "* * * * *", "every": MINUTE},
        {"every": timedelta(seconds=90)},
        {"every": MINUTE, "overlap": "queue"},
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidArguments, match="schedule_workflow"):
        schedule_workflow("nightly", nothing, **options)  # type: ignore[arg-type]
    assert not Schedule.objects.filter(name="nightly").exists()


def test_arguments_are_checked_when_it_is_made() -> None:
    with pytest.raises(InvalidArguments, match="numbers"):
        schedule_workflow("nightly", sums, {"numbers": "x"}, every=MINUTE)
    with pytest.raises(DefinitionNotFound):
        schedule_workflow("nightly", "no.such.workflow", every=MINUTE)


def test_a_cluster_starts_what_is_scheduled(cluster) -> None:  # type: ignore[no-untyped-def]
    schedule_workflow("soon", nothing, every=MINUTE, first_at=timezone.now() - MINUTE)
    # django-q2's sentinel looks at its schedules after 30 seconds' worth of cycles: here with its first one.
    cluster(q={"guard_cycle": 30})
    wait_for(lambda: workflow.list(state="completed").exists(), message="the schedule started nothing")
    assert not Task.objects.exists()
