"""Child workflows, as their parents see them."""

import pytest

from django_workflows import Canceled, Completed
from tests.app.workflows import (
    careful_parent,
    ends_before_its_child,
    parent,
    parent_of_a_failing_step,
    workflow,
)
from tests.engine.driver import finish, run

both_ways = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


@both_ways
def test_a_parent_has_the_results_of_its_children(replaying: bool) -> None:
    workflow_id = parent.start([1, 2, 3])
    assert finish(workflow_id, replaying=replaying) == Completed([101, 102, 103])
    assert set(workflow.list().filter(parent=workflow_id).values_list("parent_step", flat=True)) == {0, 1, 2}


@both_ways
def test_a_parent_may_catch_the_failure_of_its_child(replaying: bool) -> None:
    assert finish(careful_parent.start(-1), replaying=replaying) == Completed("negative|builtins.ValueError|True")


@both_ways
def test_what_made_a_childs_step_fail_is_a_cause_for_its_parent(replaying: bool) -> None:
    told = "tests.app.steps.CardDeclined|True|True"
    assert finish(parent_of_a_failing_step.start(), replaying=replaying) == Completed(told)


@both_ways
@pytest.mark.parametrize("waits", [True, False], ids=["after a timer", "at once"])
def test_a_child_that_nobody_waited_for_is_canceled_at_its_parents_end(replaying: bool, waits: bool) -> None:
    workflow_id = ends_before_its_child.start(waits)
    assert finish(workflow_id, replaying=replaying) == Completed("done")
    run(replaying=replaying)
    child = workflow.list().get(parent=workflow_id)
    assert workflow.status(child.id) == Canceled()
    assert not workflow.list(state="in_progress").exists()
