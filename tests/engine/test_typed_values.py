"""Values come back as their annotated type: to the step, to the handler, to whoever asks; on replay too."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest

from django_workflows import Completed
from tests.app import shapes
from tests.app import workflows as flows
from tests.app.steps import Point
from tests.engine.driver import finish

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
