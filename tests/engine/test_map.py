"""``step.map``: many actions, a few at once."""

from django_workflows import Completed, Failed
from django_workflows.engine.advance import take_turn
from tests.app.workflows import mapped, workflow
from tests.engine.driver import finish


def test_results_come_in_the_order_of_the_items() -> None:
    workflow_id = mapped.start(list(range(30)), limit=4)
    assert finish(workflow_id) == Completed([-number for number in range(30)])


def test_no_more_than_the_limit_are_asked_for_at_once() -> None:
    workflow_id = mapped.start(list(range(30)), limit=4)
    take_turn(workflow_id, None, None)
    assert workflow.steps(workflow_id).count() == 4


def test_the_first_failure_is_raised_and_the_others_are_dropped() -> None:
    workflow_id = mapped.start([1, -2, 3, 4, 5, 6, 7, 8], limit=2)
    status = finish(workflow_id)
    assert isinstance(status, Failed)
    assert "-2 is negative" in status.error
    assert workflow.steps(workflow_id).count() < 8


def test_nothing_to_do_is_done_at_once() -> None:
    workflow_id = mapped.start([], limit=2)
    assert finish(workflow_id) == Completed([])
