"""Mutations: the user's writes and the journal's entry are one transaction."""

import json
import re

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from django_workflows import Completed, Failed, InProgress
from django_workflows.engine import drain
from django_workflows.engine.run_step import run_step
from django_workflows.models import Step
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import advance, become_another_process, claim, finish, run
from tests.engine.dying import mortal

workflow = flows.workflow
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|WITH)\b(?!.*tests_app)", re.DOTALL)


def start(function, **arguments):
    return flows.call.start("mutation", function, arguments, {})


def keys():
    return list(Effect.objects.order_by("key").values_list("key", flat=True))


def test_its_writes_and_its_entry_are_there_together():
    workflow_id = start("insert_effect", key="k")
    finish(workflow_id)
    assert keys() == ["k"]
    assert workflow.steps(workflow_id).get().state == "completed"


def test_it_is_in_one_transaction_with_its_entry(elsewhere):
    workflow_id = start("insert_effect_then", key="k")
    seen = []
    steps.hooks.append(lambda: seen.append(elsewhere(lambda: (keys(), workflow.steps(workflow_id).get().state))))
    finish(workflow_id)
    assert seen == [([], "running")]
    assert (keys(), workflow.steps(workflow_id).get().state) == (["k"], "completed")


@pytest.mark.parametrize("replaying", [False, True])
def test_an_exception_rolls_its_writes_back_and_is_the_steps_failure(replaying):
    workflow_id = start("insert_effect_and_fail", key="k")
    assert finish(workflow_id, replaying=replaying) == Failed("no money")
    assert keys() == []
    step = workflow.steps(workflow_id).get()
    assert step.state == "failed"
    assert json.loads(step.error)["type"] == "tests.app.steps.CardDeclined"


def test_a_handler_goes_on_after_a_failed_mutation():
    workflow_id = flows.tries_a_mutation.start("k")
    assert finish(workflow_id) == Completed(["no money", "k-2"])
    assert keys() == ["k-2"]


def test_an_integrity_error_is_its_failure():
    Effect.objects.create(key="k")
    workflow_id = start("insert_effect", key="k")
    finish(workflow_id)
    assert json.loads(workflow.steps(workflow_id).get().error)["type"] == "django.db.utils.IntegrityError"


def test_a_database_error_that_it_swallowed_is_its_failure_and_leaves_nothing():
    workflow_id = start("swallow_integrity_error", key="k")
    status = finish(workflow_id)
    assert status.error_type == "django.db.transaction.TransactionManagementError"
    assert "transaction.atomic()" in status.error
    assert keys() == []


@pytest.mark.postgres
def test_a_database_error_that_django_does_not_know_of_is_its_failure_too_and_leaves_nothing():
    """Its transaction takes no more statements, and nobody has said so yet."""
    status = finish(start("swallow_raw_error", key="k"))
    assert status.error_type == "django.db.transaction.TransactionManagementError"
    assert keys() == []


def test_a_database_error_that_it_handled_in_a_savepoint_is_no_failure():
    assert finish(start("handle_integrity_error", key="k")) == Completed("handled")
    assert keys() == ["k"]


def test_a_result_that_cannot_be_stored_rolls_its_writes_back():
    workflow_id = start("insert_and_return_nan", key="k")
    status = finish(workflow_id)
    assert "result of step 0 (tests.app.steps.insert_and_return_nan)" in status.error
    assert keys() == []


def test_an_on_commit_hook_runs_after_the_commit():
    workflow_id = start("insert_with_hook", key="k")
    finish(workflow_id)
    assert steps.calls == [("hook", "k")]


def test_an_on_commit_hook_that_raises_cannot_undo_the_step(caplog):
    workflow_id = start("insert_with_failing_hook", key="k")
    assert finish(workflow_id) == Completed("k")
    assert (keys(), steps.calls) == (["k"], [("hook",)])
    assert "the hook has failed" in caplog.text


def test_an_on_commit_hook_of_a_failed_mutation_does_not_run():
    workflow_id = start("insert_with_hook_and_fail", key="k")
    finish(workflow_id)
    assert steps.calls == []


@pytest.mark.parametrize("replaying", [False, True])
def test_a_mutation_that_fails_is_called_once_and_recorded_once(replaying):
    workflow_id = start("insert_and_fail_then", key="k")
    assert finish(workflow_id, replaying=replaying) == Failed("no money")
    assert steps.calls == [("insert_and_fail_then", "k", 1)], "neither again, nor its hook"
    assert keys() == []
    step = workflow.steps(workflow_id).get()
    assert (step.state, step.attempt, step.failures) == ("failed", 1, "[]")


def test_the_worker_dies_after_a_mutation_failed_and_it_is_run_again():
    """Between the end of what it wrote and the record of its failure."""
    workflow_id = start("insert_and_fail_then", key="k")
    with mortal(when=lambda what: bool(steps.calls) and WRITES.match(what)) as life:
        run()
    assert life.dead
    assert (keys(), workflow.steps(workflow_id).get().state) == ([], "running")
    assert finish(workflow_id) == Failed("no money")
    assert steps.calls == [("insert_and_fail_then", "k", 1), ("insert_and_fail_then", "k", 2)]
    assert keys() == []


def test_the_record_of_a_failure_that_cannot_be_written_at_first_does_not_call_the_function_again(monkeypatch):
    workflow_id = start("insert_and_fail_then", key="k")
    refusals = iter([OperationalError("database is locked")])

    def refuse(execute, sql, params, many, context):
        if steps.calls and WRITES.match(sql):
            for refusal in refusals:
                raise refusal
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        assert finish(workflow_id) == Failed("no money")
    assert next(refusals, None) is None
    assert steps.calls == [("insert_and_fail_then", "k", 1)]


def test_a_lease_that_is_taken_over_while_a_failing_mutation_runs_makes_its_failure_void():
    workflow_id = flows.call.with_options(start_async=False).start(
        "mutation", "insert_effect_and_fail", {"key": "k"}, {}
    )
    frozen = claim()
    advance(31)
    second = claim()
    run_step(frozen, None)
    assert workflow.steps(workflow_id).get().state == "running"
    run_step(second, None)
    assert finish(workflow_id) == Failed("no money")


def test_in_a_callers_transaction_a_mutation_that_fails_undoes_nothing_but_its_own_writes():
    """As in a test of the user's."""
    with transaction.atomic():
        Effect.objects.create(key="the caller's")
        workflow_id = start("insert_and_fail_then", key="k")
        run()
        assert keys() == ["the caller's"]
    assert workflow.status(workflow_id) == Failed("no money")
    assert steps.calls == [("insert_and_fail_then", "k", 1)]
    assert keys() == ["the caller's"]


def test_a_durable_block_in_a_mutation_is_refused():
    status = finish(start("insert_durably", key="k"))
    assert "durable atomic block cannot be nested" in status.error
    assert keys() == []


def test_a_mutation_that_asks_for_a_rollback_has_not_done_its_work():
    status = finish(start("insert_and_ask_for_a_rollback", key="k"))
    assert status.error_type == "django.db.transaction.TransactionManagementError"
    assert keys() == []


def test_it_needs_no_savepoint():
    start("insert_effect", key="k")
    with CaptureQueriesContext(connection) as seen:
        run()
    assert not [query["sql"] for query in seen if "SAVEPOINT" in query["sql"]]


@pytest.mark.parametrize("replaying", [False, True])
def test_an_async_mutation_writes_in_the_same_transaction(replaying, elsewhere):
    workflow_id = start("insert_two_async", key="k")
    assert finish(workflow_id, replaying=replaying) == Completed(["k"])
    assert keys() == ["k-1", "k-2"]


def test_an_exception_in_an_async_mutation_rolls_its_writes_back():
    workflow_id = start("insert_async_and_fail", key="k")
    assert finish(workflow_id) == Failed("no money")
    assert keys() == []


def test_the_worker_dies_before_the_commit_and_it_is_run_again():
    workflow_id = start("insert_effect_then", key="k")
    with mortal(when=lambda what: what == "COMMIT" and steps.calls):
        run()
    assert keys() == []
    assert finish(workflow_id) == Completed("k")
    assert keys() == ["k"]
    assert [call[2] for call in steps.calls] == [1, 2]


def test_the_worker_dies_after_the_commit_and_it_is_not_run_again():
    workflow_id = start("insert_effect_then", key="k")
    with mortal(when=lambda what: what == "COMMIT" and steps.calls, before=False):
        run()
    assert finish(workflow_id) == Completed("k")
    assert (keys(), len(steps.calls)) == (["k"], 1)


@pytest.mark.postgres
def test_the_commit_itself_fails_and_it_is_run_again():
    """A constraint that is checked at the commit: the error comes when both writes were made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION fail_once() RETURNS trigger AS $$ BEGIN RAISE 'late' USING ERRCODE = '40001'; END $$ "
            "LANGUAGE plpgsql"
        )
        cursor.execute(
            "CREATE CONSTRAINT TRIGGER fail_once AFTER INSERT ON tests_app_effect DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW WHEN (NEW.value = 'fails once') EXECUTE FUNCTION fail_once()"
        )
    try:
        workflow_id = start("insert_for_commit", key="k")
        assert finish(workflow_id) == Completed("fine")
        assert len(steps.calls) == 3
        assert list(Effect.objects.values_list("key", "value")) == [("k", "fine")]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER fail_once ON tests_app_effect")
            cursor.execute("DROP FUNCTION fail_once")


def test_a_second_delivery_of_an_attempt_changes_nothing(elsewhere):
    workflow_id = flows.call.with_options(start_async=False).start("mutation", "insert_effect", {"key": "k"}, {})
    first = claim()
    become_another_process()
    run_step(first, None)
    run_step(first, None)
    assert keys() == ["k"]
    assert finish(workflow_id).type == "completed"
    assert keys() == ["k"]


def test_a_lease_that_was_taken_over_makes_the_first_attempt_void():
    workflow_id = flows.call.with_options(start_async=False).start("mutation", "insert_effect", {"key": "k"}, {})
    frozen = claim()
    advance(31)
    second = claim()
    assert (frozen.attempt, second.attempt) == (1, 2)
    run_step(frozen, None)
    assert keys() == []
    run_step(second, None)
    assert keys() == ["k"]
    assert finish(workflow_id).type == "completed"


def test_the_lease_is_taken_over_while_the_mutation_runs(elsewhere):
    """SQLite has one writer, so there nobody can take it over meanwhile."""
    workflow_id = start("insert_effect_then", key="k")

    def take_over():
        steps.hooks.clear()
        advance(31)
        elsewhere(claim)

    if connection.vendor == "postgresql":
        steps.hooks.append(take_over)
    assert finish(workflow_id) == Completed("k")
    assert keys() == ["k"]


def test_parallel_mutations_each_happen_once(elsewhere):
    workflow_id = flows.parallel_mutations.start("k", 20)
    elsewhere.together([run, run, run])
    assert finish(workflow_id) == Completed(20)
    assert len(keys()) == 20


def test_a_mutation_of_a_workflow_that_has_ended_is_undone():
    workflow_id = flows.gives_up_on_a_mutation.with_options(start_async=False).start("k")
    assert workflow.status(workflow_id) == InProgress(["sleep", "tests.app.steps.insert_effect"])
    claimed = claim()
    advance(21)
    drain._advance_one(drain.Worker(), lambda: True)
    assert workflow.status(workflow_id) == Completed("gave up")
    run_step(claimed, None)
    assert keys() == []
    assert Step.objects.get(number=1).state == "canceled"
