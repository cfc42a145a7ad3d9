"""``on_complete``: what a row says is called only where code asked for it, in this process or when it was started."""

from __future__ import annotations

import json
import sys

import pytest

from django_workflows import Completed, InvalidArguments
from django_workflows.core.registry import registry
from django_workflows.models import Workflow
from tests.app import callbacks, steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import become_another_process, finish

workflow = flows.workflow
TRAP = "tests.app.trap.snap"


def refused(workflow_id):
    assert finish(workflow_id) == Completed("done"), "the outcome stands"
    error = json.loads(Workflow.objects.get(id=workflow_id).on_complete_error)
    return error["type"].rpartition(".")[2] == "CallbackRefused"


def test_a_path_that_was_written_into_a_row_is_not_even_imported(caplog):
    workflow_id = flows.nothing.start()
    Workflow.objects.filter(id=workflow_id).update(on_complete=TRAP)

    assert refused(workflow_id)
    assert "tests.app.trap" not in sys.modules
    assert steps.calls == []
    assert "CallbackRefused" in caplog.text


def test_the_seal_of_another_workflow_does_not_fit():
    sealed = flows.nothing.with_options(on_complete=callbacks.remember).start()
    other = flows.nothing.start()
    seal = Workflow.objects.get(id=sealed).on_complete_seal
    Workflow.objects.filter(id=other).update(on_complete="tests.app.callbacks.remember", on_complete_seal=seal)

    assert refused(other)
    assert not Effect.objects.filter(key=f"completed {other}").exists()


def test_another_path_does_not_fit_the_seal():
    workflow_id = flows.nothing.with_options(on_complete=callbacks.remember).start()
    Workflow.objects.filter(id=workflow_id).update(on_complete=TRAP)

    assert refused(workflow_id)
    assert "tests.app.trap" not in sys.modules


@pytest.mark.parametrize("fallbacks", [["only for tests, and the same in every process of a test"], []])
def test_after_the_key_was_changed_the_old_one_counts_as_long_as_it_is_a_fallback(settings, fallbacks):
    workflow_id = flows.nothing.with_options(on_complete=callbacks.remember).start()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key", fallbacks

    if fallbacks:
        finish(workflow_id)
        assert Effect.objects.filter(key=f"completed {workflow_id}").exists()
    else:
        assert refused(workflow_id)


def test_a_registered_callback_needs_no_key(settings, monkeypatch):
    monkeypatch.setattr(registry, "callbacks", {})
    assert workflow.callback(callbacks.remember) is callbacks.remember
    workflow_id = flows.nothing.with_options(on_complete=callbacks.remember).start()
    settings.SECRET_KEY = "a new key"
    become_another_process()

    finish(workflow_id)
    assert Effect.objects.filter(key=f"completed {workflow_id}").exists()


@pytest.mark.parametrize("callback", [lambda *args: None, Completed, "tests.app.callbacks.remember", Effect.save])
def test_only_functions_at_the_top_of_a_module_are_registered(callback):
    with pytest.raises(InvalidArguments, match="module-level function"):
        workflow.callback(callback)


def test_a_restart_may_call_it_again():
    workflow_id = flows.nothing.with_options(on_complete=callbacks.remember).start()
    finish(workflow_id)
    Effect.objects.all().delete()
    workflow.restart(workflow_id)

    finish(workflow_id)
    assert Effect.objects.filter(key=f"completed {workflow_id}").exists()
