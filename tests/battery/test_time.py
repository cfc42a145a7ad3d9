"""Clocks that step, daylight saving, and years far away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from django_workflows import Completed, InProgress, InvalidArguments, WorkflowContext, WorkflowManager
from django_workflows.models import Workflow
from django_workflows.store import database
from django_workflows.store import workflows as workflow_store
from tests.app import workflows as flows
from tests.battery.ending import bring_to_an_end
from tests.battery.observation import observed
from tests.battery.verbs import SHAPES, begin
from tests.engine.driver import advance, become_another_process, finish, run

workflow = WorkflowManager()


@workflow.define
async def until(step: WorkflowContext, instant: datetime) -> datetime:
    await step.sleep_until(instant)
    return step.now()


@pytest.mark.parametrize("steps", [[3600], [-3600], [3600, -3600], [-3600, 3600, -3600]])
@pytest.mark.parametrize("shape", ["sequence", "children", "waits"])
def test_a_clock_that_steps_by_an_hour_loses_and_doubles_nothing(shape: str, steps: list[int]) -> None:
    begin(SHAPES[shape])
    for seconds in steps:
        run()
        advance(seconds)
        become_another_process()
    bring_to_an_end()
    assert [each["state"] for name, each in observed().items() if name != "effects"].count("completed") >= 1
    assert not Workflow.objects.exclude(state="completed").exists()


def test_a_timer_is_not_early_because_the_clock_went_back() -> None:
    workflow_id = flows.sleeper.start(60)
    run()
    advance(50)
    advance(-3600)
    run()
    assert workflow.status(workflow_id) == InProgress(["sleep"])
    advance(3600 + 9)
    run()
    assert workflow.status(workflow_id) == InProgress(["sleep"])
    advance(2)
    run()
    assert workflow.status(workflow_id).type == "completed"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("hour", [datetime(2027, 3, 28, 0, 30), datetime(2027, 10, 31, 0, 30)])  # noqa: DTZ001
def test_a_day_with_daylight_saving_is_as_long_as_it_is(zone: str, hour: datetime, settings: object) -> None:
    """Instants are instants: a sleep of a day takes 24 hours, and one until a local time ends at that time."""
    with timezone.override(ZoneInfo(zone)):
        local = hour.replace(tzinfo=ZoneInfo(zone)) + timedelta(days=1)
        workflow_id = until.start(local)
        run()
        seconds = workflow_store.next_due("")
        assert seconds is not None
        assert abs(seconds - (local - database.now()).total_seconds()) < 5
        result = finish(workflow_id).result  # type: ignore[union-attr]
        assert result >= local
        day = flows.sleeper.start(86400)
        assert finish(day).result >= 86400  # type: ignore[union-attr]


FAR = [
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    datetime(2100, 2, 28, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, tzinfo=ZoneInfo("America/New_York")),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")),
    datetime(1969, 12, 31, tzinfo=UTC),
]


@pytest.mark.parametrize("instant", FAR, ids=str)
def test_a_far_instant_is_waited_for_or_refused_and_hurts_nobody(instant: datetime) -> None:
    try:
        workflow_id = until.start(instant)
        later = flows.nothing.with_options(run_at=instant).start()
    except InvalidArguments:
        assert instant.year in (1, 9999)
        return
    run()
    assert finish(flows.nothing.start()) == Completed("done"), "others go on"
    if instant > database.now():
        assert workflow.status(workflow_id) == InProgress(["sleep"])
        workflow.cancel(workflow_id)
        workflow.cancel(later)
    else:
        assert workflow.status(workflow_id).type in ("completed", "failed")
        assert workflow.status(later) == Completed("done")


@pytest.mark.parametrize("seconds", [10**9, 10**11, 3 * 10**11, 1e300, 10**400])
def test_a_far_delay_is_waited_for_or_refused_and_hurts_nobody(seconds: float) -> None:
    workflow_id = None
    try:
        workflow_id = flows.sleeper.start(seconds)
        flows.nothing.with_options(run_after=seconds).start()
    except InvalidArguments:
        pass
    run()
    assert finish(flows.nothing.start()) == Completed("done"), "others go on"
    if workflow_id is not None:
        assert workflow.status(workflow_id).type in ("in_progress", "failed")
        assert workflow.status(workflow_id).type == "failed" or workflow.status(workflow_id).blocked is None


@pytest.mark.parametrize("year", [2038, 2105])
def test_everything_works_in_later_years(year: int) -> None:
    advance((datetime(year, 1, 20, tzinfo=UTC) - database.now()).total_seconds())
    begin(SHAPES["sequence"])
    bring_to_an_end()
    assert not Workflow.objects.exclude(state="completed").exists()
    observed()
