"""A history of another database is taken in to be looked at and replayed; no worker and no verb ever runs it."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from django_workflows import Canceled, Completed, InvalidArguments, InvalidPayload, WorkflowNotRunning
from django_workflows.core.histories import History
from django_workflows.core.history_documents import whole_history
from django_workflows.core.registry import registry
from django_workflows.engine.histories import mismatch, read_history
from django_workflows.engine.imports import import_history
from django_workflows.engine.recover import recover
from django_workflows.exceptions import WorkflowImported
from django_workflows.models import Step, Workflow
from django_workflows.store.queues import queues_in_use
from tests.app import steps
from tests.app.models import Counter, Effect
from tests.app.workflows import asks_approval, sums, workflow
from tests.engine.driver import advance, finish, run
from tests.histories.test_histories import FILES


def exported(workflow_id: Any) -> History:
    """What another database would export, whose workflow is not here."""
    history = read_history(workflow_id)
    Step.objects.filter(workflow=workflow_id).delete()
    Workflow.objects.filter(pk=workflow_id).delete()
    return history


def completed() -> History:
    workflow_id = sums.start([1, 2])
    finish(workflow_id)
    return exported(workflow_id)


def under_way() -> History:
    workflow_id = asks_approval.start(timeout=60)
    run()
    return exported(workflow_id)


def test_one_that_completed_is_shown_and_replayed_as_it_was() -> None:
    history = completed()
    assert import_history(whole_history(history.dump())) == history.workflow_id
    assert workflow.status(history.workflow_id) == Completed(3)
    assert list(workflow.steps(history.workflow_id).values_list("number", "state")) == [
        (0, "completed"),
        (1, "completed"),
    ]
    assert read_history(history.workflow_id) == history
    assert mismatch(sums, read_history(history.workflow_id)) is None


def test_one_that_was_under_way_is_never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    history = under_way()
    import_history(history)
    workflow_id = history.workflow_id
    assert workflow.status(workflow_id) == Canceled()
    before = list(Workflow.objects.values()), list(Step.objects.values())
    recover(thorough=True)
    advance(timedelta(days=400))
    assert run() == 0
    assert queues_in_use() == []
    for verb in (workflow.cancel, workflow.retry_now):
        with pytest.raises(WorkflowNotRunning):
            verb(workflow_id)
    with pytest.raises(WorkflowNotRunning):
        workflow.cancel(workflow_id, force=True)
    with pytest.raises(WorkflowNotRunning):
        workflow.send_event(workflow_id, "approval", True)
    with pytest.raises(WorkflowNotRunning):
        workflow.create_event(workflow_id, "approval")
    for from_step in (None, 0):
        with pytest.raises(WorkflowImported, match="imported from a history"):
            workflow.restart(workflow_id, from_step)
    assert run() == 0
    assert (list(Workflow.objects.values()), list(Step.objects.values())) == before
    assert (steps.calls, Effect.objects.count()) == ([], 0)
    assert Workflow.objects.filter(due_at__isnull=True, on_complete="", key=None, expires_at=None).count() == 1
    assert not Step.objects.filter(state__in=("queued", "running", "waiting")).exists()
    assert read_history(workflow_id) == history
    assert mismatch(asks_approval, read_history(workflow_id)) is None


def test_it_can_be_cleaned_up() -> None:
    for history in (completed(), under_way()):
        import_history(history)
        assert workflow.cleanup(history.workflow_id) is True
    assert not Workflow.objects.exists()
    assert not Step.objects.exists()


def test_a_taken_id_is_refused_and_a_new_one_can_be_given() -> None:
    history = completed()
    import_history(history)
    rows = list(Workflow.objects.values()), list(Step.objects.values())
    with pytest.raises(InvalidArguments, match="already"):
        import_history(history)
    assert (list(Workflow.objects.values()), list(Step.objects.values())) == rows
    other = import_history(history, new_id=True)
    assert other != history.workflow_id
    assert workflow.status(other) == Completed(3)
    assert read_history(other) == history, "it is replayed with the id that its handler had"


def test_a_running_workflow_is_not_touched_by_the_import_of_its_own_history() -> None:
    workflow_id = asks_approval.start()
    run()
    with pytest.raises(InvalidArguments):
        import_history(read_history(workflow_id))
    workflow.send_event(workflow_id, "approval", True)
    assert finish(workflow_id) == Completed("yes")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_golden_journal_is_whole_and_comes_back_as_it_was(path: Any) -> None:
    Counter.objects.create(pk=17, name="golden")  # which a workflow function of before references reads
    history = whole_history(path.read_text(encoding="utf-8"))
    import_history(history)
    found = read_history(history.workflow_id)
    assert found == history
    definition = registry.get(history.name)
    assert definition is not None
    assert mismatch(definition, found) is None
    assert run() == 0
    assert workflow.cleanup(history.workflow_id) is True


def _without(name: str) -> Any:
    return lambda document: document.pop(name)


def _step(index: int, **fields: Any) -> Any:
    return lambda document: document["steps"][index].update(fields)


WRONG = {
    "another format": (lambda d: d.update(format=2), "format 2"),
    "no format": (_without("format"), "format"),
    "an unknown field": (lambda d: d.update(extra=1), "extra"),
    "an unknown field of a step": (_step(1, colour="red"), "steps.1.colour"),
    "a text for a number": (_step(0, number="0"), "steps.0.number"),
    "an unknown kind": (_step(0, kind="thought"), "steps.0.kind"),
    "an unknown state": (lambda d: d.update(state="tired"), "state"),
    "no id": (lambda d: d.update(workflow_id="x"), "not a history"),
    "no name": (lambda d: d.update(name=""), "name"),
    "a name with NUL": (lambda d: d.update(name="a\0b"), "NUL"),
    "a name that is too long": (lambda d: d.update(name="a" * 201), "name"),
    "arguments that are a list": (lambda d: d.update(args=[1]), "args"),
    "an instant without offset": (lambda d: d.update(started_at="2026-11-25T02:00:00"), "started_at"),
    "an instant before the years": (lambda d: d.update(started_at="0001-01-01T00:00:00+02:00"), "started_at"),
    "a gap": (lambda d: d["steps"].pop(0), "numbered from 0"),
    "a number twice": (_step(1, number=0), "numbered from 0"),
    "a number beyond the column": (lambda d: d.update(continuations=2**31), "continuations"),
    "a delivery twice": (_step(1, delivery=1), "deliveries"),
    "a delivery that is missing": (_step(1, delivery=3), "deliveries"),
    "a delivery at no time": (_step(1, delivered_at=None), "delivered_at"),
    "an open step of one that ended": (lambda d: _open(d["steps"][1]), "step 1 is queued"),
    "an open step with a result": (_step(1, state="queued"), "has an outcome"),
    "a failure without an error": (_step(1, state="failed"), "without error"),
    "steps before the first turn": (lambda d: d.update(started_at=None), "started_at"),
    "a result in progress": (lambda d: d.update(state="in_progress"), "has an outcome"),
}


def _open(step: dict[str, Any]) -> None:
    step.update(state="queued", delivery=None, delivered_at=None, finished_at=None)
    del step["result"]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_whole_history_is_refused_by_what_is_wrong(wrong: str) -> None:
    document = json.loads(completed().dump())
    change, words = WRONG[wrong]
    change(document)
    with pytest.raises(InvalidPayload) as raised:
        whole_history(json.dumps(document))
    assert words in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', '{"format": 1, "args": NaN}', "[" * 100_000])
def test_what_is_no_history_at_all_is_refused(text: str) -> None:
    with pytest.raises(InvalidPayload):
        whole_history(text)


def test_a_history_of_code_that_is_not_here_can_be_looked_at() -> None:
    document = {**json.loads(completed().dump()), "name": "elsewhere.only", "workflow_id": str(uuid4())}
    workflow_id = import_history(whole_history(json.dumps(document)))
    assert workflow.status(workflow_id) == Completed(3)
