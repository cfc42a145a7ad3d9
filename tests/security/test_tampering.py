"""Rows that somebody wrote by hand: nothing is imported, nothing else called, no worker falls, the rest goes on."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from django_workflows import Completed
from django_workflows.models import Event, Step, Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import advance, become_another_process, finish, run

workflow = flows.workflow
TRAP = "tests.app.trap.snap"
FAILURE = json.dumps({"type": TRAP, "message": "m", "bases": [TRAP], "traceback": "", "attempts": 1})
HOSTILE = [
    TRAP,
    json.dumps(TRAP),
    json.dumps({"model": "tests.app.trap", "pk": 1}),
    json.dumps({"py/object": TRAP, "__reduce__": [TRAP, []], "retry": {"retry_on": [TRAP]}}),
    json.dumps({"retry": {"max_attempts": 3, "retry_on": [TRAP]}, "timeout": "1"}),
    FAILURE,
    "cos\nsystem\n(S'true'\ntR.",
    "",
    "null",
    "{",
    "[" * 5000,
    "\u202e\u2028'; DROP TABLE x; --",
]
TEXTS = [
    (model, name)
    for model, names in (
        (Workflow, ["name", "args", "result", "error", "on_complete", "context", "queue", "trace", "blocked_message"]),
        (Step, ["kind", "name", "function", "args", "options", "failures", "result", "error", "progress", "pool"]),
        (Event, ["name", "state", "value", "error"]),
    )
    for name in names
]


def begun() -> Any:
    """A workflow with a finished step, a waiting step, a sent event and an open event."""
    workflow_id = flows.tampered.start("k")
    run()
    workflow.send_event(workflow_id, "extra", 1)
    return workflow_id


@pytest.mark.parametrize(("model", "name"), TEXTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_tampered_column_imports_and_calls_nothing(model, name):
    limit = model._meta.get_field(name).max_length
    workflow_ids = [begun() for _ in HOSTILE]
    for workflow_id, hostile in zip(workflow_ids, HOSTILE, strict=True):
        mine = {"id" if model is Workflow else "workflow": workflow_id}
        model.objects.filter(**mine).update(**{name: hostile[:limit]})
    become_another_process()
    for workflow_id in workflow_ids:
        tell(workflow_id)
    for _ in range(3):
        run()
        advance(61)
    assert "tests.app.trap" not in sys.modules
    assert not [call for call in steps.calls if "trap" in str(call[0])]
    assert finish(flows.sums.start([1, 2])) == Completed(3), "the others go on"


def tell(workflow_id: Any) -> None:
    for act in (
        lambda: workflow.send_event(workflow_id, "approval", True),
        lambda: workflow.status(workflow_id),
        lambda: workflow.cancel(workflow_id),
        lambda: workflow.restart(workflow_id),
    ):
        try:
            act()
        except Exception as error:  # noqa: BLE001 - that it is refused is fine, by whatever error
            assert "trap" not in type(error).__name__


def test_a_step_whose_row_is_damaged_parks_its_workflow_and_goes_on_when_it_was_mended():
    workflow_id = flows.retried.start("k", 1)
    run()
    other = flows.call.start("action", "add", {"a": 1, "b": 2}, {"run_after": 10})
    run()
    Step.objects.filter(workflow=other).update(options="{")
    become_another_process()
    advance(11)
    run()
    assert "damaged" in workflow.status(other).blocked.message
    Step.objects.filter(workflow=other).update(options="{}")
    assert finish(other) == Completed(3)
    assert finish(workflow_id).type == "completed"


def test_a_step_runs_no_function_that_only_another_definition_asks_for():
    finish(flows.inline_mutations.start("known here", 1))
    workflow_id = flows.call.start("action", "add", {"a": 1, "b": 2}, {"run_after": 10})
    run()
    hostile = {"function": "tests.app.steps.insert_effect", "args": '{"key":"hostile"}'}
    Step.objects.filter(workflow=workflow_id).update(**hostile)
    advance(11)
    run()
    assert not Effect.objects.filter(key="hostile").exists()
    assert "the journal recorded" in workflow.status(workflow_id).blocked.message
