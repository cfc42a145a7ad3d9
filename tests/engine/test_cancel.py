"""Cancel: gracefully or by force, with all children, and told to whoever runs."""

from uuid import UUID, uuid4

import pytest

from django_workflows import Canceled, InProgress, WorkflowNotFound, WorkflowNotRunning
from django_workflows.engine.live import live_handlers
from tests.app.models import Effect
from tests.app.workflows import asks_approval, cleans_up, parent_of_waiting, sums, workflow
from tests.engine.driver import finish, run


@pytest.fixture(params=[False, True], ids=["live", "replayed"])
def forget(request: pytest.FixtureRequest) -> object:
    return live_handlers.clear if request.param else lambda: None


def running(definition: object, *args: object) -> UUID:
    workflow_id: UUID = definition.start(*args)  # type: ignore[attr-defined]
    run()
    return workflow_id


def test_a_handler_that_does_nothing_about_it_is_canceled_at_once(forget: object) -> None:
    workflow_id = running(asks_approval)
    forget()  # type: ignore[operator]
    workflow.cancel(workflow_id)
    assert workflow.status(workflow_id) == Canceled()
    assert set(workflow.steps(workflow_id).values_list("state", flat=True)) == {"canceled"}


def test_a_handler_may_clean_up_first(forget: object) -> None:
    workflow_id = running(cleans_up, "a")
    forget()  # type: ignore[operator]
    workflow.cancel(workflow_id)
    assert workflow.status(workflow_id) == InProgress(["tests.app.steps.insert_effect"])
    assert finish(workflow_id) == Canceled()
    assert Effect.objects.get().key == "a cleaned up"


def test_by_force_the_handler_is_not_asked() -> None:
    workflow_id = running(cleans_up, "a")
    workflow.cancel(workflow_id, force=True)
    assert workflow.status(workflow_id) == Canceled()
    run()
    assert not Effect.objects.exists()


def test_a_workflow_that_has_not_begun_never_does() -> None:
    workflow_id = sums.start([1, 2])
    workflow.cancel(workflow_id)
    assert workflow.status(workflow_id) == Canceled()
    run()
    assert not workflow.steps(workflow_id).exists()


@pytest.mark.parametrize("force", [False, True])
def test_children_are_canceled_with_their_parent(force: bool) -> None:
    workflow_id = running(parent_of_waiting)
    workflow.cancel(workflow_id, force=force)
    assert list(workflow.list().values_list("state", flat=True)) == ["canceled", "canceled"]


def test_canceling_twice_while_it_cleans_up_changes_nothing() -> None:
    workflow_id = running(cleans_up, "a")
    workflow.cancel(workflow_id)
    workflow.cancel(workflow_id)
    assert finish(workflow_id) == Canceled()
    assert Effect.objects.count() == 1


def test_what_ended_cannot_be_canceled() -> None:
    workflow_id = running(sums, [1])
    with pytest.raises(WorkflowNotRunning, match="completed"):
        workflow.cancel(workflow_id)
    with pytest.raises(WorkflowNotFound):
        workflow.cancel(uuid4())
