"""Values come back as their annotated type: to the step, to the handler, to whoever asks; on replay too."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from django_workflows import Completed, WorkflowContext
from django_workflows.models import Step
from tests.app import shapes
from tests.app import workflows as flows
from tests.app.steps import Point
from tests.engine.driver import finish, run

workflow = shapes.workflow


@pytest.mark.parametrize("replaying", [False, True])
def test_everything_comes_back_as_what_it_was(replaying):
    workflow_id = shapes.trip.start(shapes.EVERYTHING)
    status = finish(workflow_id, replaying=replaying)
    assert status.type == "completed", status
    shapes.check(status.result)
    shapes.check(workflow.result(workflow_id))


@pytest.mark.parametrize("replaying", [False, True])
def test_each_type_comes_back_from_a_step(replaying):
    assert finish(shapes.typed_steps.start(), replaying=replaying).type == "completed"


@pytest.mark.parametrize("replaying", [False, True])
def test_what_fits_is_converted_once_and_stays_so(replaying):
    arguments = {"when": "2026-01-01T12:00:00+02:00", "amount": 1, "ident": "0" * 32}
    workflow_id = workflow.start("tests.app.workflows.typed", arguments)
    when, amount, ident = finish(workflow_id, replaying=replaying).result
    assert (type(when), type(amount), type(ident)) == (datetime, Decimal, UUID)
    assert when == datetime.fromisoformat("2026-01-01T12:00:00+02:00")


def test_a_status_of_a_workflow_whose_code_is_gone_has_plain_values():
    from django_workflows.core.registry import registry

    workflow_id = flows.points.start(Point(1, 2.0))
    assert finish(workflow_id) == Completed(Point(2, 2.5))
    definition = registry.get("tests.app.workflows.points")
    registry.remove("tests.app.workflows.points")
    try:
        assert workflow.status(workflow_id) == Completed({"x": 2, "y": 2.5})
    finally:
        registry.add(definition)


def in_a_day(at: datetime) -> datetime:
    return at + timedelta(days=1)


@flows.workflow.define(name="values: zones")
async def zones(step: WorkflowContext, at: datetime) -> list[str]:
    first = await step.run_query(in_a_day, at)
    await step.sleep(60)
    again = await step.run_action(in_a_day, at=step.now().astimezone(ZoneInfo("Europe/Berlin")).replace(second=0))
    return [str(at.tzinfo), first.isoformat(), str(first.tzinfo), str(again.tzinfo)]


@pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])
def test_a_time_zone_survives_arguments_and_results(replaying: bool) -> None:
    workflow_id = zones.start(datetime(2026, 10, 24, 8, tzinfo=ZoneInfo("Europe/Berlin")))
    assert finish(workflow_id, replaying=replaying) == Completed(
        ["Europe/Berlin", "2026-10-25T08:00:00+01:00", "Europe/Berlin", "Europe/Berlin"]
    )


@flows.workflow.define(name="values: asks with a zone")
async def asks_with_a_zone(step: WorkflowContext) -> None:
    await step.run_action(in_a_day, at=step.now().astimezone(ZoneInfo("Europe/Berlin")))
    await step.sleep(60)


def test_journals_of_before_which_kept_the_offset_alone_are_still_asked_for() -> None:
    workflow_id = asks_with_a_zone.start()
    run()
    step = Step.objects.get(kind="action")
    assert "[Europe/Berlin]" in step.args
    Step.objects.filter(pk=step.pk).update(args=step.args.replace("[Europe/Berlin]", ""))
    assert finish(workflow_id, replaying=True) == Completed(None)
