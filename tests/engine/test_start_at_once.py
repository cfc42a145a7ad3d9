"""``start_async=False``: the handler runs to its first wait inside ``start``."""

import pytest
from django.db import transaction

from django_workflows import Completed, InProgress, InvalidArguments, StepFailed, UnsupportedInHandler, WorkflowNotFound
from django_workflows.models import Step, Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import finish, run

workflow = flows.workflow


class Undone(Exception):
    pass


def test_the_handler_has_run_to_its_first_wait_when_start_returns():
    workflow_id = flows.sums.with_options(start_async=False).start([1, 2])
    assert workflow.status(workflow_id) == InProgress(running=["tests.app.steps.add"])
    assert steps.calls == []
    assert finish(workflow_id) == Completed(3)


def test_by_name_it_is_the_same():
    workflow_id = workflow.start("tests.app.workflows.sums", {"numbers": [1]}, start_async=False)
    assert workflow.status(workflow_id) == InProgress(running=["tests.app.steps.add"])


def test_a_handler_that_never_waits_has_ended_when_start_returns():
    workflow_id = flows.nothing.with_options(start_async=False).start()
    assert workflow.status(workflow_id) == Completed("done")
    assert run() == 0


def test_an_early_error_reaches_the_caller_and_leaves_nothing():
    with pytest.raises(RuntimeError, match="too early"):
        flows.fails.with_options(start_async=False, on_complete="tests.app.callbacks.remember").start("too early")
    assert not Workflow.objects.exists()
    assert not Step.objects.exists()
    assert not Effect.objects.exists()


def test_an_early_refusal_reaches_the_caller_in_words_that_fit():
    with pytest.raises(UnsupportedInHandler, match="step.run_query"):
        flows.uses_orm.with_options(start_async=False).start()
    assert not Workflow.objects.exists()


def test_an_early_error_leaves_the_callers_transaction_usable():
    with transaction.atomic():
        Effect.objects.create(key="before")
        with pytest.raises(RuntimeError):
            flows.fails.with_options(start_async=False).start()
        Effect.objects.create(key="after")
    assert Effect.objects.count() == 2
    assert not Workflow.objects.exists()


def test_it_is_part_of_the_callers_transaction():
    with pytest.raises(Undone), transaction.atomic():
        workflow_id = flows.inline_mutations.with_options(start_async=False).start("k", 2)
        assert workflow.status(workflow_id) == Completed(2)
        raise Undone
    assert not Effect.objects.exists()
    with pytest.raises(WorkflowNotFound):
        workflow.status(workflow_id)


def test_what_it_started_in_a_transaction_goes_on_after_the_commit():
    with transaction.atomic():
        workflow_id = flows.mutations.with_options(start_async=False).start("k", 2)
    assert finish(workflow_id) == Completed(2)


def test_a_handler_kept_from_a_rolled_back_start_is_not_mistaken_for_another():
    with pytest.raises(Undone), transaction.atomic():
        flows.sums.with_options(start_async=False, idempotency_key="one").start([1])
        raise Undone
    again = flows.sums.with_options(start_async=False, idempotency_key="one").start([2])
    assert finish(again) == Completed(2)


def test_an_early_step_failure_of_an_inline_step_reaches_the_caller():
    with pytest.raises(StepFailed, match="no money"):
        flows.call.with_options(start_async=False).start(
            "mutation", "insert_effect_and_fail", {"key": "k"}, {"inline": True}
        )
    assert not Workflow.objects.exists()
    assert not Effect.objects.exists()


def test_a_key_that_was_used_gives_the_first_workflow_and_runs_nothing():
    bound = flows.inline_mutations.with_options(start_async=False, idempotency_key="once")
    first = bound.start("k", 1)
    assert bound.start("k", 1) == first
    assert Effect.objects.count() == 1


def test_bad_arguments_are_still_bad_arguments():
    with pytest.raises(InvalidArguments):
        flows.sums.with_options(start_async=False).start("x")
