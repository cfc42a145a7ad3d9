"""Looking at workflows: status, result, watch, list, steps."""

from uuid import UUID

import pytest
from django.db import transaction

from django_workflows import (
    Completed,
    Failed,
    InProgress,
    ResultTimeout,
    WorkflowFailed,
    WorkflowNotFound,
)
from django_workflows.models import Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.app.steps import Point
from tests.engine.driver import finish, run
from tests.waiting import PATIENCE

workflow = flows.workflow


def test_status_before_and_after():
    workflow_id = flows.sums.start([1])
    assert workflow.status(workflow_id) == InProgress(running=[])
    finish(workflow_id)
    status = workflow.status(workflow_id)
    assert (status, status.type) == (Completed(1), "completed")


def test_a_failed_status_has_type_and_traceback_of_the_error():
    workflow_id = flows.fails.start("broken")
    status = finish(workflow_id)
    assert status == Failed("broken")
    assert (status.type, status.error_type) == ("failed", "builtins.RuntimeError")
    assert "raise RuntimeError(message)" in status.traceback
    assert "django_workflows" not in status.traceback, "the engine's own frames are left out"


def test_a_result_has_its_annotated_type():
    assert finish(flows.points.start(Point(1, 2.0))) == Completed(Point(2, 2.5))


def test_the_id_may_be_text():
    workflow_id = flows.nothing.start()
    finish(workflow_id)
    assert workflow.status(str(workflow_id)) == Completed("done")


@pytest.mark.parametrize("unknown", [UUID(int=7), str(UUID(int=7)), "no id", "", None, 7, "\x00"])
def test_an_unknown_id_is_not_found(unknown):
    for look in (workflow.status, workflow.result, lambda one: next(workflow.watch(one))):
        with pytest.raises(WorkflowNotFound):
            look(unknown)


def test_running_names_the_open_steps_in_step_order():
    workflow_id = flows.steps_of_all_kinds.with_options(start_async=False).start()
    assert workflow.status(workflow_id) == InProgress(
        running=[
            "tests.app.steps.add",
            "approval",
            "sleep",
            "cool down",
            "a name of its own",
            "tests.app.workflows.asks_approval",
            "tests.app.steps.insert_effect",
        ]
    )
    run()
    assert workflow.status(workflow_id).running == [
        "approval",
        "sleep",
        "cool down",
        "tests.app.workflows.asks_approval",
        "tests.app.steps.insert_effect",
    ]


def test_steps_are_in_order_and_tell_what_happened():
    workflow_id = flows.sums.start([1, 2])
    finish(workflow_id)
    found = workflow.steps(workflow_id)
    assert [(step.number, step.kind, step.name, step.state) for step in found] == [
        (0, "action", "tests.app.steps.add", "completed"),
        (1, "action", "tests.app.steps.add", "completed"),
    ]
    assert [(step.args, step.result) for step in found] == [('{"a":0,"b":1}', "1"), ('{"a":1,"b":2}', "3")]
    for step in found:
        assert step.queued_at <= step.started_at <= step.finished_at
        assert (step.attempt, step.due_at) == (1, None)


def test_list_filters_by_name_and_state():
    done, broken, waiting = flows.nothing.start(), flows.fails.start(), flows.asks_approval.start()
    run()
    assert set(workflow.list().values_list("id", flat=True)) == {done, broken, waiting}
    assert workflow.list(state="completed").get().id == done
    assert workflow.list(state="failed").get().id == broken
    assert workflow.list(name="tests.app.workflows.asks_approval", state="in_progress").get().id == waiting
    assert not workflow.list(name="tests.app.workflows.asks_approval", state="failed").exists()


def test_result_returns_what_the_workflow_returned():
    workflow_id = flows.sums.start([1])
    finish(workflow_id)
    assert workflow.result(workflow_id) == 1


def test_result_raises_what_the_workflow_failed_with():
    workflow_id = flows.fails.start("broken")
    finish(workflow_id)
    with pytest.raises(WorkflowFailed, match="broken") as caught:
        workflow.result(workflow_id)
    assert (caught.value.message, caught.value.error_type) == ("broken", "builtins.RuntimeError")
    assert "RuntimeError" in caught.value.traceback


def test_result_gives_up_after_its_timeout():
    workflow_id = flows.asks_approval.start()
    run()
    with pytest.raises(ResultTimeout):
        workflow.result(workflow_id, timeout=0.02)
    with pytest.raises(TimeoutError):
        workflow.result(workflow_id, timeout=0)


def test_result_waits_for_a_worker_elsewhere(elsewhere):
    workflow_id = flows.sums.start([1, 2])
    result, _ = elsewhere.together([lambda: workflow.result(workflow_id, timeout=PATIENCE), run])
    assert result == 3


def test_watch_gives_every_status_it_sees_up_to_the_end():
    workflow_id = flows.sums.start([1])
    seen = workflow.watch(workflow_id)
    assert next(seen) == InProgress([])
    run()
    assert list(seen) == [Completed(1)]


def test_watch_gives_up_after_its_timeout():
    workflow_id = flows.asks_approval.start()
    run()
    assert list(workflow.watch(workflow_id, timeout=0.02)) == [InProgress(running=["approval"])]


def test_watch_says_when_the_workflow_is_gone():
    workflow_id = flows.asks_approval.start()
    run()
    seen = workflow.watch(workflow_id, timeout=PATIENCE)
    assert next(seen) == InProgress(running=["approval"])
    Workflow.objects.get(id=workflow_id).delete()
    with pytest.raises(WorkflowNotFound):
        next(seen)


def test_progress_shows_while_the_step_runs(elsewhere):
    workflow_id = flows.call.start("action", "report_halfway", {}, {})
    seen = []
    steps.hooks.append(lambda: seen.append(workflow.status(workflow_id)))
    finish(workflow_id)
    assert seen == [InProgress(running=["tests.app.steps.report_halfway"])]
    assert seen[0].progress == {"tests.app.steps.report_halfway": (1, 2, "halfway")}


def test_status_inside_a_transaction_sees_what_it_started():
    with transaction.atomic():
        workflow_id = flows.nothing.start()
        assert workflow.status(workflow_id) == InProgress([])
