"""Events: sent before or after the wait, by name or id, with errors, and refused where nobody would take them."""

from uuid import UUID, uuid4

import pytest

from django_workflows import (
    Completed,
    EventAlreadySent,
    EventNotFound,
    Failed,
    InProgress,
    InvalidArguments,
    WorkflowNotFound,
    WorkflowNotRunning,
)
from tests.app.workflows import approval, asks_approval, workflow
from tests.engine.driver import finish, run

both_ways = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


def asking(timeout: float | None = None) -> UUID:
    workflow_id = asks_approval.start(timeout)
    run()
    assert workflow.status(workflow_id) == InProgress(["approval"])
    return workflow_id


@both_ways
def test_an_event_wakes_who_waits_for_it(replaying: bool) -> None:
    workflow_id = asking()
    workflow.send_event(workflow_id, approval, True)
    assert finish(workflow_id, replaying=replaying) == Completed("yes")


@both_ways
def test_an_event_sent_before_the_wait_is_kept(replaying: bool) -> None:
    workflow_id = asks_approval.start()
    workflow.send_event(workflow_id, approval, True)
    assert finish(workflow_id, replaying=replaying) == Completed("yes")


def test_the_first_sent_is_the_first_taken() -> None:
    workflow_id = asks_approval.start()
    workflow.send_event(workflow_id, "approval", False)
    workflow.send_event(workflow_id, "approval", True)
    assert finish(workflow_id) == Completed("no")


@both_ways
def test_an_error_event_raises_where_it_is_awaited(replaying: bool) -> None:
    workflow_id = asking()
    workflow.send_event(workflow_id, "approval", error="gave up")
    status = finish(workflow_id, replaying=replaying)
    assert status == Failed("gave up")
    assert isinstance(status, Failed)
    assert status.error_type == "django_workflows.exceptions.EventFailed"


@both_ways
def test_a_wait_with_a_timeout_gives_up(replaying: bool) -> None:
    assert finish(asking(timeout=60), replaying=replaying) == Completed("nobody answered")


def test_an_event_is_made_ahead_of_time_and_sent_by_its_id() -> None:
    workflow_id = asks_approval.start()
    event_id = workflow.create_event(workflow_id, approval)
    run()
    assert workflow.send_event(event_id=event_id, value=True) == event_id
    assert finish(workflow_id) == Completed("yes")


def test_one_id_is_sent_only_once() -> None:
    workflow_id = asking()
    event_id = workflow.create_event(workflow_id, "other")
    workflow.send_event(event_id=event_id, value=1)
    with pytest.raises(EventAlreadySent, match="sent before"):
        workflow.send_event(event_id=event_id, value=2)
    assert workflow.status(workflow_id) == InProgress(["approval"])


@pytest.mark.parametrize("event", [approval, "approval"], ids=["definition", "name"])
def test_a_value_is_validated_when_it_is_sent(event: object) -> None:
    workflow_id = asking()
    with pytest.raises(InvalidArguments, match="approval"):
        workflow.send_event(workflow_id, event, {"not": "a bool"})  # type: ignore[arg-type]
    assert workflow.status(workflow_id) == InProgress(["approval"])


def test_nothing_is_sent_to_a_workflow_that_ended() -> None:
    workflow_id = asking()
    workflow.send_event(workflow_id, approval, True)
    finish(workflow_id)
    with pytest.raises(WorkflowNotRunning, match="completed"):
        workflow.send_event(workflow_id, approval, True)


def test_nothing_is_sent_to_what_does_not_exist() -> None:
    with pytest.raises(WorkflowNotFound):
        workflow.send_event(uuid4(), approval, True)
    with pytest.raises(EventNotFound):
        workflow.send_event(event_id=uuid4(), value=True)
