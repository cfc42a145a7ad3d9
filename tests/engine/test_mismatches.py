"""Code that changed under a running workflow, or is not there: blocked, told, and resumed when it is back."""

import json
from contextlib import contextmanager
from datetime import timedelta

import pytest

from django_workflows import BlockedReason, Completed, WorkflowContext
from django_workflows.core.registry import registry
from django_workflows.engine.callbacks import seal
from django_workflows.models import Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.app.models import Effect
from tests.engine.driver import advance, become_another_process, finish, run

workflow = flows.workflow


@contextmanager
def deployed(handler, name="tests deployed"):
    """Have ``handler`` be the code of that name, in processes that know nothing else."""
    before = registry.get(name)
    registry.remove(name)
    become_another_process()
    if handler is not None:
        workflow.define(name=name)(handler)
    try:
        yield registry.get(name)
    finally:
        registry.remove(name)
        if before is not None:
            registry.add(before)


async def original(step: WorkflowContext) -> list:
    found = [await step.run_action(steps.record, "one")]
    await step.sleep(100)
    return [*found, await step.run_action(steps.record, "two")]


async def other_argument(step: WorkflowContext) -> list:
    found = [await step.run_action(steps.record, "ONE")]
    await step.sleep(100)
    return [*found, await step.run_action(steps.record, "two")]


async def other_function(step: WorkflowContext) -> list:
    found = [await step.run_action(steps.echo, "one")]
    await step.sleep(100)
    return found


async def other_kind(step: WorkflowContext) -> list:
    found = [await step.run_query(steps.record, "one")]
    await step.sleep(100)
    return found


async def fewer_steps(step: WorkflowContext) -> list:
    return [await step.run_action(steps.record, "one")]


async def more_steps(step: WorkflowContext) -> list:
    step.run_action(steps.no_op)
    found = [await step.run_action(steps.record, "one")]
    await step.sleep(100)
    return found


async def other_parameters(step: WorkflowContext, user_id: int) -> list:
    return [user_id]


@pytest.fixture
def asleep():
    """A workflow that sleeps at its second step."""
    with deployed(original) as definition:
        workflow_id = definition.start()
        run()
        yield workflow_id


CHANGES = [
    (other_argument, ["step 0", '{"name":"one"}', '{"name":"ONE"}']),
    (other_function, ["step 0", "action tests.app.steps.record", "action tests.app.steps.echo"]),
    (other_kind, ["step 0", "action tests.app.steps.record", "query tests.app.steps.record"]),
    (fewer_steps, ["step 1", "sleep", "asks for nothing"]),
    (more_steps, ["step 0", "action tests.app.steps.no_op"]),
    (other_parameters, ["user_id"]),
]


@pytest.mark.parametrize(("handler", "shown"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_journal_that_does_not_match_blocks_until_there_is_matching_code(asleep, handler, shown, caplog):
    advance(100)
    with deployed(handler):
        run()
        status = workflow.status(asleep)
        assert status.type == "in_progress"
        assert status.blocked.reason == BlockedReason.CODE_MISMATCH
        for part in shown:
            assert part in status.blocked.message
        assert str(asleep) in caplog.text
        assert run() == 0, "it is looked at again later, not all the time"
        advance(61)
        run()
        again = workflow.status(asleep).blocked
        assert again.message == status.blocked.message
        assert again.since == status.blocked.since == status.blocked.checked_at
        assert again.checked_at - again.since >= timedelta(seconds=60)
    become_another_process()
    advance(61)
    assert finish(asleep) == Completed(["one", "two"])
    assert Workflow.objects.get(id=asleep).blocked_message == ""
    assert steps.calls == [("one",), ("two",)]


@pytest.mark.parametrize(("handler", "shown"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_journal_that_does_not_match_fails_where_the_project_wants_it(asleep, handler, shown, settings):
    settings.DJANGO_WORKFLOWS = {"ON_MISMATCH": "fail"}
    path = "tests.app.callbacks.remember"
    Workflow.objects.filter(id=asleep).update(on_complete=path, on_complete_seal=seal(asleep, path))
    advance(100)
    with deployed(handler):
        run()
        status = workflow.status(asleep)
        assert status.type == "failed"
        assert status.error_type.rpartition(".")[2] in ("DeterminismViolation", "InvalidArguments")
        for part in shown:
            assert part in status.error
        assert json.loads(Effect.objects.get().value)[0] == "error"
        workflow.cleanup(asleep)


def test_an_unknown_definition_blocks_until_it_is_there(asleep, caplog):
    advance(100)
    with deployed(None):
        run()
        status = workflow.status(asleep)
        assert status.type == "in_progress"
        assert "no workflow is defined under the name 'tests deployed' in this worker" in status.blocked.message
        assert status.blocked.reason == BlockedReason.UNKNOWN_DEFINITION
        assert "'tests deployed'" in caplog.text
        assert run() == 0
        for _ in range(20):
            advance(16)
            run()
        assert workflow.status(asleep).type == "in_progress", "nothing is lost, however often it was looked at"
    advance(16)
    assert finish(asleep) == Completed(["one", "two"])


def test_an_unknown_definition_of_a_workflow_that_never_began():
    with deployed(original) as definition:
        workflow_id = definition.start()
    run()
    assert "no workflow is defined" in workflow.status(workflow_id).blocked.message
    with deployed(original):
        advance(16)
        assert finish(workflow_id) == Completed(["one", "two"])
        workflow.cleanup(workflow_id)


def test_a_step_whose_function_is_not_asked_for_any_more_is_not_run(asleep):
    """A step that waits in the queue while the code is changed under it."""
    with deployed(original) as definition:
        waiting = definition.with_options(start_async=False).start()
        with deployed(other_function):
            run()
            assert "step 0" in workflow.status(waiting).blocked.message
            assert steps.calls == [("one",)], "that was the other workflow"
        become_another_process()
        advance(61)
        assert finish(waiting) == Completed(["one", "two"])
        workflow.cleanup(waiting)
        finish(asleep)
        workflow.cleanup(asleep)


def test_a_step_function_is_found_by_replay_in_a_process_that_never_asked_for_it():
    workflow_id = flows.sums.with_options(start_async=False).start([1, 2])
    become_another_process()
    assert finish(workflow_id) == Completed(3)
