"""Workflows that are started by a schedule of django-q2's."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler
from django_q.signing import SignedPackage
from django_q.tasks import Task

from django_workflows import DefinitionNotFound, InvalidArguments, WorkflowContext, schedule_workflow
from django_workflows.core.registry import registry
from django_workflows.engine.drain import drain
from django_workflows.engine.histories import mismatch, read_history
from django_workflows.engine.worker import Worker
from django_workflows.q2.recurring import START, start_scheduled
from tests.app.workflows import asks_approval, nothing, sums, workflow
from tests.engine.driver import become_another_process, finish, run
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


def tick() -> None:
    """What django-q2 does at a time of the schedule: its scheduler queues the task, and a worker runs it."""
    scheduler()
    for queued in OrmQ.objects.all():
        task = SignedPackage.loads(queued.payload)
        if task["func"].endswith("start_scheduled"):
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
        {"cron": "0 0 30 2 *"},
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


# -- a worker with older code


@workflow.define(name="tests newer code")
async def newer(step: WorkflowContext, numbers: list[int]) -> str:
    """Of a definition that other processes do not have: they were deployed before it."""
    await step.sleep(1)
    assert step.scheduled_for is not None
    return f"{sum(numbers)} {step.scheduled_for.isoformat()}"


@contextmanager
def older_code() -> Iterator[None]:
    """Meanwhile this process does not define that workflow."""
    registry.remove(newer.name)
    try:
        yield
    finally:
        registry.add(newer)


def test_a_worker_with_older_code_keeps_the_start_for_one_with_newer() -> None:
    schedule = schedule_workflow("newer", newer, {"numbers": [1, 2]}, every=MINUTE)
    due = schedule.next_run
    with older_code():
        tick()
        run()
    row = workflow.list().get()
    assert (row.state, row.scheduled_for) == ("in_progress", due)
    assert "tests newer code" in row.blocked_message
    Schedule.objects.filter(pk=schedule.pk).update(next_run=due)
    tick()
    assert finish(workflow.list().get().id).result == f"3 {due.isoformat()}"  # type: ignore[union-attr]


def test_a_cluster_with_older_code_keeps_it_too(cluster) -> None:  # type: ignore[no-untyped-def]
    due = timezone.now() - timedelta(hours=3)
    schedule_workflow("newer", newer, {"numbers": [1, 2]}, every=MINUTE, first_at=due)
    running = cluster(q={"guard_cycle": 30})
    wait_for(lambda: workflow.list().exclude(blocked_message="").exists(), message="the start is lost")
    running.stop()
    assert finish(workflow.list().order_by("id")[0].id).result == f"3 {due.isoformat()}"  # type: ignore[union-attr]


def test_arguments_that_older_code_cannot_read_lose_nothing() -> None:
    start_scheduled(sums.name, '{"numbers": [1], "mode": "new"}', "nightly", "allow", "2026-01-01T00:00:00+00:00")
    run()
    row = workflow.list().get()
    assert row.state == "in_progress"
    assert "mode" in row.blocked_message


def test_where_the_start_waits_is_the_queue_of_its_definition() -> None:
    @workflow.define(name="tests newer of a queue", queue="heavy", priority=7)
    async def heavy(step: WorkflowContext) -> None:
        """Never runs here."""

    schedule_workflow("heavy", heavy, every=MINUTE)
    registry.remove("tests newer of a queue")
    tick()
    assert (workflow.list().get().queue, workflow.list().get().priority) == ("heavy", 7)


def test_a_start_that_fails_is_delivered_again_whatever_the_project_says_of_failures() -> None:
    schedule_workflow("nightly", nothing, every=MINUTE)
    Schedule.objects.exclude(name="nightly").delete()
    scheduler()
    task = SignedPackage.loads(OrmQ.objects.get().payload)
    assert task["ack_failure"] is False
    with mock.patch("django_workflows.engine.start.insert", side_effect=OSError), pytest.raises(OSError):  # noqa: PT011
        start_scheduled(*task["args"], intended=task["kwargs"]["intended"])


@pytest.mark.parametrize("replaying", [False, True])
def test_the_intended_time_is_told_however_late_and_often_it_is_asked(replaying: bool) -> None:
    @workflow.define(name="tests tells when it was meant")
    async def tells(step: WorkflowContext, rounds: int = 1) -> list[str]:
        before = step.scheduled_for
        child = await step.run_workflow(tells_nothing)
        await step.sleep(3600)
        if rounds:
            step.continue_as_new(rounds - 1)
        return [str(before), str(step.scheduled_for), child]

    @workflow.define(name="tests tells nothing")
    async def tells_nothing(step: WorkflowContext) -> str:
        return str(step.scheduled_for)

    try:
        due = "2026-01-01T03:30:00+00:00"
        start_scheduled(tells.name, "{}", "nightly", "skip", due)
        workflow_id = workflow.list(name=tells.name).get().id
        shown = str(datetime.fromisoformat(due))
        expected = [shown, shown, "None"]
        assert finish(workflow_id, replaying=replaying).result == expected  # type: ignore[union-attr]
        workflow.restart(workflow_id, from_step=0)
        become_another_process()
        assert finish(workflow_id, replaying=replaying).result == expected  # type: ignore[union-attr]
        history = read_history(workflow_id)
        assert mismatch(tells, type(history).load(history.dump())) is None
        assert "scheduled_for" not in read_history(workflow.list(name=tells_nothing.name)[0].id).dump()
    finally:
        registry.remove(tells.name)
        registry.remove(tells_nothing.name)


# -- when clocks change

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_q.conf.Conf.TIME_ZONE", "Europe/Berlin")


def hours_of(schedule: Schedule, first: datetime, last: datetime) -> list[str]:
    """What a cluster whose sentinel looks every ten minutes starts, by Berlin's clocks."""
    now = first
    while now < last:
        with mock.patch("django.utils.timezone.now", return_value=now):
            tick()
        now += timedelta(minutes=10)
    found = workflow.list().order_by("scheduled_for").values_list("scheduled_for", flat=True)
    return [each.astimezone(BERLIN).isoformat(timespec="minutes") for each in found]


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (datetime(2026, 10, 24, 12, tzinfo=UTC), ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        (datetime(2026, 3, 28, 12, tzinfo=UTC), ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
    ],
)
def test_when_clocks_change_django_q2_starts_each_day_once(first: datetime, expected: list[str]) -> None:
    with mock.patch("django.utils.timezone.now", return_value=first):
        schedule = schedule_workflow("nightly", nothing, cron="30 2 * * *", overlap="allow")
    assert hours_of(schedule, first, first + timedelta(days=2)) == expected
    schedule.refresh_from_db()
    assert schedule.next_run.astimezone(BERLIN).strftime("%H:%M") == "02:30"


@pytest.mark.usefixtures("in_berlin")
def test_a_time_that_an_earlier_version_reckoned_twice_is_started_once() -> None:
    schedule_workflow("nightly", nothing, cron="30 2 * * *", overlap="allow")
    for intended in ("2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00", "2026-10-25T01:31:00+00:00"):
        start_scheduled(nothing.name, "{}", "nightly", "allow", intended)
    assert workflow.list().count() == 2, "the last one was set by hand"


def test_schedules_that_are_not_ours_are_reckoned_as_ever() -> None:
    theirs = Schedule(func="math.floor", schedule_type=Schedule.CRON, cron="30 2 * * *")
    assert theirs.calculate_next_run() > timezone.now()
    ours = Schedule(func=START, schedule_type=Schedule.MINUTES, minutes=5, next_run=timezone.now())
    assert ours.calculate_next_run() == ours.next_run + timedelta(minutes=5)
