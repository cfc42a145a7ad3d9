"""``on_complete``: once, in the transaction that completes, and its own errors harm nobody else."""

import json

import pytest
from django.db import connection

from django_workflows import Completed, Failed, WorkflowNotFound
from django_workflows.models import Workflow
from tests.app import callbacks
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import finish, run, run_until

workflow = flows.workflow


def outcome_of(workflow_id):
    return json.loads(Effect.objects.get(key=f"completed {workflow_id}").value)


@pytest.mark.parametrize("callback", [callbacks.remember, "tests.app.callbacks.remember"])
def test_it_gets_the_result_and_the_context(callback):
    context = {"user": 7, "nested": [1.5, None, "ü\u2028\U0001f600"]}
    workflow_id = flows.sums.with_options(on_complete=callback, context=context).start([1, 2])
    finish(workflow_id)
    assert outcome_of(workflow_id) == ["success", 3, context]


def test_by_name_it_is_the_same():
    options = {"on_complete": "tests.app.callbacks.remember", "context": 7}
    workflow_id = workflow.start("tests.app.workflows.sums", {"numbers": [1]}, **options)
    finish(workflow_id)
    assert outcome_of(workflow_id) == ["success", 1, 7]


def test_it_gets_the_error():
    workflow_id = flows.fails.with_options(on_complete=callbacks.remember).start("it broke")
    assert finish(workflow_id) == Failed("it broke")
    assert outcome_of(workflow_id) == ["error", "it broke", None]


def test_it_may_be_async():
    workflow_id = flows.nothing.with_options(on_complete=callbacks.remember_async, context="c").start()
    finish(workflow_id)
    assert outcome_of(workflow_id) == ["success", "c"]


def test_it_runs_when_a_step_that_ran_inline_was_the_last():
    workflow_id = flows.inline_mutations.with_options(on_complete=callbacks.remember).start("k", 1)
    finish(workflow_id)
    assert outcome_of(workflow_id) == ["success", 1, None]


def test_it_runs_for_a_handler_that_is_stuck(settings):
    settings.DJANGO_WORKFLOWS = {"MAX_STEPS_PER_TURN": 10}
    workflow_id = flows.asks_for_ever.with_options(on_complete=callbacks.remember).start()
    finish(workflow_id)
    assert outcome_of(workflow_id)[0] == "error"


def test_it_is_in_the_transaction_that_completes():
    workflow_id = flows.nothing.with_options(on_complete=callbacks.remember).start()
    seen = []

    def look(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if "completed" in str(params) and "tests_app_effect" in sql:
            seen.append((connection.in_atomic_block, Workflow.objects.get(id=workflow_id).state))
        return result

    with connection.execute_wrapper(look):
        run()
    assert seen == [(True, "completed")]


def test_an_error_in_it_is_kept_and_logged_and_the_outcome_stays(caplog):
    workflow_id = flows.sums.with_options(on_complete=callbacks.remember_and_fail).start([1])
    assert finish(workflow_id) == Completed(1)
    stored = json.loads(Workflow.objects.get(id=workflow_id).on_complete_error)
    assert (stored["type"], stored["message"]) == ("builtins.RuntimeError", "the callback has failed")
    assert "remember_and_fail" in stored["traceback"]
    assert "remember_and_fail" in caplog.text
    assert not Effect.objects.exists(), "its own writes are rolled back"
    assert run() == 0


def test_one_that_leaves_its_transaction_broken_keeps_the_outcome():
    workflow_id = flows.sums.with_options(on_complete=callbacks.leave_transaction_broken).start([1])
    assert finish(workflow_id) == Completed(1)
    stored = json.loads(Workflow.objects.get(id=workflow_id).on_complete_error)
    assert stored["type"] == "django.db.transaction.TransactionManagementError"
    assert not Effect.objects.exists()


def test_one_that_exits_the_process_keeps_the_outcome():
    workflow_id = flows.sums.with_options(on_complete=callbacks.exit_process).start([1])
    assert finish(workflow_id) == Completed(1)
    stored = json.loads(Workflow.objects.get(id=workflow_id).on_complete_error)
    assert stored["type"] == "builtins.SystemExit"


def test_one_whose_code_is_gone_by_then_is_an_error_of_it(caplog):
    workflow_id = flows.nothing.with_options(on_complete=callbacks.remember).start()
    Workflow.objects.filter(id=workflow_id).update(on_complete="tests.app.callbacks.removed")
    assert finish(workflow_id) == Completed("done")
    assert "removed" in Workflow.objects.get(id=workflow_id).on_complete_error


def test_it_may_clean_up_its_own_workflow():
    workflow_id = flows.sums.with_options(on_complete=callbacks.clean_up).start([1, 2])
    run()
    with pytest.raises(WorkflowNotFound):
        workflow.status(workflow_id)
    assert Effect.objects.get().key == f"cleaned up {workflow_id}"
    assert run() == 0


def test_it_may_start_another_workflow():
    workflow_id = flows.nothing.with_options(on_complete=callbacks.start_another).start()
    finish(workflow_id)
    second = workflow.list(name="tests.app.workflows.sums").get()
    assert run_until(lambda: workflow.status(second.id).type == "completed", second.id) == Completed(1)


def test_without_it_nothing_is_stored_about_it():
    workflow_id = flows.nothing.start()
    finish(workflow_id)
    assert Workflow.objects.get(id=workflow_id).on_complete_error is None


def test_it_is_told_that_a_child_which_still_runs_keeps_its_workflow():
    options = {"on_complete": callbacks.try_to_clean_up}
    workflow_id = flows.ends_before_its_child.with_options(**options).start(True)
    assert finish(workflow_id) == Completed("done")
    assert json.loads(Effect.objects.get(key=f"cleaned up {workflow_id}").value) is False
    assert Workflow.objects.get(id=workflow_id).on_complete_error is None
    run()
    assert workflow.cleanup(workflow_id) is True
    assert not Workflow.objects.exists()


@pytest.mark.parametrize("force", [False, True])
def test_it_may_clean_up_a_workflow_that_is_canceled(force):
    workflow_id = flows.sums.with_options(on_complete=callbacks.try_to_clean_up).start([1, 2])
    workflow.cancel(workflow_id, force=force)
    assert json.loads(Effect.objects.get(key=f"cleaned up {workflow_id}").value) is True
    assert not Workflow.objects.exists()
    assert run() == 0
