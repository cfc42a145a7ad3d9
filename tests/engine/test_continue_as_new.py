"""Handlers that go on for ever without a journal that does."""

from django_workflows import Completed
from tests.app.workflows import counts_for_ever, workflow
from tests.engine.driver import finish


def test_a_workflow_continues_under_its_own_id_with_an_empty_journal() -> None:
    workflow_id = counts_for_ever.start(0, 5)
    status = finish(workflow_id)
    assert isinstance(status, Completed)
    assert status.result[0] == 5
    assert workflow.steps(workflow_id).count() == 2
    row = workflow.list().get()
    assert (row.id, row.continuations) == (workflow_id, 4)


def test_each_run_has_its_own_random_numbers_and_idempotency_keys() -> None:
    keys = set()
    for until in (1, 2, 3):
        workflow_id = counts_for_ever.start(0, until)
        status = finish(workflow_id)
        assert isinstance(status, Completed)
        keys.add(status.result[2].removeprefix(str(workflow_id)))
    assert keys == {":1", ":1:1", ":2:1"}


def test_events_that_nobody_took_are_kept() -> None:
    workflow_id = counts_for_ever.start(0, 2)
    workflow.send_event(workflow_id, "later", 1)
    finish(workflow_id)
    assert workflow.list().get().events.get().state == "sent"
