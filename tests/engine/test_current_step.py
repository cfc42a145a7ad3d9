"""What a step function can know and say: ``current_step()`` and ``report_progress()``."""

import asyncio

import pytest
from django.db import connections

from django_workflows import Completed, InProgress, WorkflowError, current_step, report_progress
from django_workflows.models import Step, Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import finish, run

workflow = flows.workflow


@pytest.mark.parametrize("kind", ["action", "query", "mutation"])
@pytest.mark.parametrize("function", ["who_am_i", "who_am_i_async"])
def test_it_knows_workflow_number_and_attempt(kind, function):
    workflow_id = flows.call.start(kind, function, {}, {})
    assert finish(workflow_id).result == {
        "workflow_id": str(workflow_id),
        "number": 0,
        "attempt": 1,
        "key": f"{workflow_id}:0",
        "canceled": False,
    }


def test_an_inline_step_knows_it_too():
    workflow_id = flows.call.start("mutation", "who_am_i", {}, {"inline": True})
    assert finish(workflow_id).result["key"] == f"{workflow_id}:0"


def test_steps_have_different_idempotency_keys():
    workflow_id = flows.two_keys.start()
    first, second = finish(workflow_id).result
    assert first != second


def test_outside_of_a_step_there_is_none():
    with pytest.raises(WorkflowError, match="only inside a function run as a workflow's step"):
        current_step()
    with pytest.raises(WorkflowError, match="only inside a function run as a workflow's step"):
        report_progress(1, 2)


def test_it_is_gone_when_the_step_has_ended():
    finish(flows.call.start("action", "decline", {"card": "1"}, {}))
    with pytest.raises(WorkflowError):
        current_step()


def test_it_is_told_when_its_step_was_given_to_another_worker():
    workflow_id = flows.call.start("action", "watch_for_cancel", {}, {})
    steps.hooks.append(lambda: Step.objects.update(attempt=7))
    run()
    assert workflow.status(workflow_id).type == "in_progress"
    Step.objects.update(attempt=1)


def test_it_is_told_when_its_workflow_has_gone():
    workflow_id = flows.call.start("action", "watch_for_cancel_and_record", {}, {})
    steps.hooks.append(lambda: Workflow.objects.filter(id=workflow_id).update(state="canceled"))
    run()
    assert steps.calls == [("canceled", True)]
    Workflow.objects.filter(id=workflow_id).delete()


def test_it_is_not_told_while_it_is_wanted():
    assert finish(flows.call.start("action", "watch_for_cancel", {}, {})) == Completed(False)


def test_progress_renews_the_lease_and_shows_in_the_status():
    workflow_id = flows.call.start("action", "report_halfway", {}, {})
    seen = []

    def look():
        step = Step.objects.get()
        seen.append((workflow.status(workflow_id), step.due_at > step.started_at))

    steps.hooks.append(look)
    finish(workflow_id)
    [(status, leased)] = seen
    assert status == InProgress(["tests.app.steps.report_halfway"])
    assert status.progress == {"tests.app.steps.report_halfway": (1, 2, "halfway")}
    assert leased


def test_progress_in_a_mutation_commits_with_it():
    assert finish(flows.call.start("mutation", "progress", {"total": 3}, {})) == Completed(3)
    assert Step.objects.get().progress == '[3, 3, "done"]'


@pytest.mark.parametrize("kind", ["action", "mutation"])
def test_an_async_step_reports_progress_too(kind):
    assert finish(flows.call.start(kind, "progress_async", {"total": 3}, {})) == Completed(3)
    assert Step.objects.get().progress == '[3, 3, "done"]'


def test_a_step_reports_progress_where_somebody_elses_loop_runs(monkeypatch):
    """As in a notebook, or under a browser's driver."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    workflow_id = flows.call.start("action", "progress", {"total": 3}, {})

    async def in_a_loop():
        try:
            return finish(workflow_id)
        finally:
            connections.close_all()

    assert asyncio.run(in_a_loop()) == Completed(3)
    assert Step.objects.get().progress == '[3, 3, "done"]'


@pytest.mark.parametrize(("done", "total"), [("1", 2), (float("nan"), 2), (1, float("inf")), (True, 2), (None, None)])
def test_progress_takes_finite_numbers_only(done, total):
    with pytest.raises(ValueError, match="finite numbers are needed"):
        report_progress(done, total)
