"""What is enqueued by ``WorkflowsBackend`` is a workflow, and its result says how that stands."""

from __future__ import annotations

import datetime
import json
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from django_workflows import InvalidArguments, PayloadTooLarge, WorkflowContext, WorkflowManager
from django_workflows.checks.determinism import Inspection
from django_workflows.models import Step, Workflow
from django_workflows.tasks import WorkflowsBackend
from django_workflows.tasks.framework import (
    InvalidTask,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
    task_enqueued,
    task_finished,
    task_started,
)
from tests.app import steps, tasks
from tests.app.workflows import nothing
from tests.engine.conftest import engine  # noqa: F401 - used by each test
from tests.engine.driver import advance, finish, run

exceptions = import_module(f"{settings.TASKS_FRAMEWORK}.exceptions")
workflow = WorkflowManager()
READY, RUNNING, FAILED, SUCCESSFUL = (
    TaskResultStatus.READY,
    TaskResultStatus.RUNNING,
    TaskResultStatus.FAILED,
    TaskResultStatus.SUCCESSFUL,
)


def done(result: Any) -> Any:
    """Run the task to its end; its result then."""
    finish(UUID(result.id))
    result.refresh()
    return result


def test_a_task_is_a_workflow_of_its_name_with_one_action() -> None:
    result = tasks.add.enqueue(1, other=2)
    assert result.status == READY
    assert not result.is_finished
    assert (result.args, result.kwargs, result.backend) == ([1], {"other": 2}, "default")
    with pytest.raises(ValueError, match="has not finished yet"):
        _ = result.return_value
    stored = Workflow.objects.get(id=result.id)
    assert (stored.name, stored.queue, stored.priority) == ("tests.app.tasks.add", "", 0)
    assert done(result).status == SUCCESSFUL
    assert result.return_value == 3
    assert result.attempts == 1
    assert result.errors == []
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.last_attempted_at == result.started_at
    (step,) = workflow.steps(result.id)
    assert (step.kind, step.name, step.function) == ("action", "tests.app.tasks.add", "tests.app.tasks.add")
    assert result.worker_ids == [step.claimed_by]


def test_results_are_found_by_task_and_by_backend() -> None:
    result = tasks.add.enqueue(1)
    assert tasks.add.get_result(result.id).task == tasks.add
    assert task_backends["default"].get_result(result.id).id == result.id
    with pytest.raises(exceptions.TaskResultMismatch):
        tasks.double.get_result(result.id)
    other = nothing.start()
    for unknown in (str(uuid4()), "no id", "", str(other)):
        with pytest.raises(TaskResultDoesNotExist):
            tasks.add.get_result(unknown)


def test_async_tasks_and_async_callers() -> None:
    async def twins() -> Any:
        result = await tasks.double.aenqueue(21)
        assert (await tasks.double.aget_result(result.id)).status == READY
        return result

    result = async_to_sync(twins)()
    finish(UUID(result.id))
    async_to_sync(result.arefresh)()
    assert result.return_value == 42


def test_arguments_arrive_as_json_whatever_the_annotations_say() -> None:
    result = done(tasks.echo.enqueue((1, 2), b"text", args=[1], step=None, kwargs={"a": (1,)}, fn=1, backend="x"))
    expected = [[1, 2], "text"], {"args": [1], "step": None, "kwargs": {"a": [1]}, "fn": 1, "backend": "x"}
    assert (result.args, result.kwargs) == expected
    assert result.return_value == list(expected)
    assert done(tasks.add.enqueue("1", "2")).return_value == "12"  # as Django has it


@pytest.mark.parametrize("bad", [object(), datetime.date(2026, 12, 1), {1, 2}, float("nan"), [float("inf")]])
def test_what_is_no_json_is_refused_and_nothing_is_stored(bad: Any) -> None:
    with pytest.raises((TypeError, InvalidArguments)):
        tasks.echo.enqueue(bad)
    assert not Workflow.objects.exists()


def test_too_large_arguments_are_refused_by_name() -> None:
    with pytest.raises(PayloadTooLarge, match=r"arguments of tests\.app\.tasks\.echo"):
        tasks.echo.enqueue("x" * 2_000_000)


def test_a_task_is_enqueued_in_the_callers_transaction() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        result = tasks.add.enqueue(1)
        assert tasks.add.get_result(result.id).status == READY
        raise ZeroDivisionError
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(result.id)
    with transaction.atomic():
        result = tasks.save.enqueue("kept")
    assert isinstance(done(result).return_value, int)


def test_a_backend_is_what_the_task_says_whichever_way_it_is_enqueued() -> None:
    once = tasks.refuse_twice.using(backend="default").enqueue("x")
    assert done(once).status == FAILED
    assert (once.attempts, once.backend) == (1, "default")
    started = workflow.start("tests.app.tasks.refuse_twice", {"args": ["x"]})
    finish(started)
    found = tasks.refuse_twice.get_result(str(started))
    assert (found.status, found.attempts, found.backend) == (SUCCESSFUL, 3, "patient")


def test_a_task_is_enqueued_with_the_mutation_that_does_it() -> None:
    @workflow.define(name="tasks: enqueues in a step")
    async def enqueues(step: WorkflowContext, fails: bool) -> None:
        await step.run_mutation(tasks.enqueue_add, fails)

    assert finish(enqueues.start(True)).type == "failed"
    assert not Workflow.objects.filter(name="tests.app.tasks.add").exists()
    assert finish(enqueues.start(False)).type == "completed"
    run()
    assert Workflow.objects.get(name="tests.app.tasks.add").state == "completed"


def test_a_workflow_function_may_not_enqueue() -> None:
    @workflow.define(name="tasks: enqueues in its function")
    async def enqueues(step: WorkflowContext) -> None:
        tasks.add.enqueue(1)

    status = finish(enqueues.start())
    assert status.type == "failed"
    assert "step.run_mutation" in status.error
    assert not Workflow.objects.filter(name="tests.app.tasks.add").exists()
    inspection = Inspection()
    inspection.inspect(enqueues)
    (warning,) = inspection.messages()
    assert warning.id == "django_workflows.W018"
    assert "await step.run_action(task, ...)" in warning.hint


def test_a_task_that_takes_a_context_is_a_step() -> None:
    @workflow.define(name="tasks: runs one with a context")
    async def runs(step: WorkflowContext) -> list[Any]:
        return [await step.run_action(tasks.greeting, "Ann", loud=True), await step.run_action(tasks.who_async)]

    workflow_id = runs.start()
    greeting, (result_id, attempt, status) = finish(workflow_id, replaying=True).result
    assert greeting == "ANN 1"
    assert (result_id, attempt, status) == (f"{workflow_id}:1", 1, "RUNNING")


def test_failures_have_class_and_traceback() -> None:
    result = done(tasks.refuse.enqueue("no money"))
    assert result.status == FAILED
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value
    (error,) = result.errors
    assert error.exception_class is ValueError
    assert "in refuse\n" in error.traceback
    assert error.traceback.rstrip().endswith("ValueError: no money")
    assert result.attempts == 1


def test_options_have_a_task_tried_again() -> None:
    result = tasks.refuse_twice.enqueue("x")
    run()
    result.refresh()
    assert result.status == READY
    assert [error.exception_class for error in result.errors] == [ConnectionError]
    assert done(result).status == SUCCESSFUL
    assert result.return_value == 3
    assert result.attempts == 3
    assert [error.exception_class for error in result.errors] == [ConnectionError] * 2
    assert all(result.worker_ids)
    assert result.started_at < result.last_attempted_at
    (step,) = workflow.steps(result.id)
    stored = json.loads(step.options)
    assert (stored["retry"]["max_attempts"], stored["timeout"]) == (3, 30)
    assert Workflow.objects.get(id=result.id).retain_for == datetime.timedelta(hours=1)
    assert result.backend == "patient"


def test_a_result_that_is_no_json_fails_the_task_and_is_not_asked_for_again() -> None:
    for alias in ("default", "patient"):
        steps.calls.clear()
        result = done(tasks.today.using(backend=alias).enqueue())
        assert result.status == FAILED
        assert steps.calls == ["today"]
        (error,) = result.errors
        assert error.exception_class.__name__ == "InvalidPayload"
        assert "its effect has happened" in error.traceback


def test_context_is_given() -> None:
    result = done(tasks.who.enqueue(1, 2))
    assert result.return_value == [result.id, 1, "RUNNING", [1, 2], [1, 2], 1]
    result = done(tasks.who_async.enqueue())
    assert result.return_value == [result.id, 1, "RUNNING"]


def test_priority_queue_and_time() -> None:
    later = timezone.now() + datetime.timedelta(hours=1)
    result = tasks.add.using(priority=7, run_after=later).enqueue(1)
    stored = Workflow.objects.get(id=result.id)
    assert (stored.priority, stored.due_at) == (7, later)
    run()
    found = tasks.add.get_result(result.id)
    assert found.status == READY
    assert (found.task.priority, found.task.run_after, found.task.queue_name) == (7, later, "default")
    advance(3600)
    assert done(result).status == SUCCESSFUL

    elsewhere = tasks.add.using(queue_name="emails").enqueue(1)
    run()
    found = tasks.add.get_result(elsewhere.id)
    assert (found.status, found.task.queue_name) == (READY, "emails")
    run(queue="emails")
    assert tasks.add.get_result(elsewhere.id).status == SUCCESSFUL


def test_higher_priority_goes_first() -> None:
    for priority in (-100, 0, 100):
        tasks.save.using(priority=priority).enqueue(str(priority))
    run()
    began = Step.objects.order_by("started_at", "id").values_list("args", flat=True)
    assert [json.loads(each)["args"] for each in began] == [["100"], ["0"], ["-100"]]


def test_many_at_once() -> None:
    results = task_backends["default"].enqueue_many(tasks.add, [((n,), {"other": n}) for n in range(50)])
    assert [result.args for result in results] == [[n] for n in range(50)]
    run()
    assert [tasks.add.get_result(result.id).return_value for result in results] == [2 * n for n in range(50)]
    before = Workflow.objects.count()
    with pytest.raises(TypeError):
        task_backends["default"].enqueue_many(tasks.add, [((1,), {}), ((object(),), {})])
    assert Workflow.objects.count() == before
    assert task_backends["default"].enqueue_many(tasks.add, []) == []


def test_canceled_tasks_have_failed_and_restarted_ones_run_again() -> None:
    result = tasks.add.enqueue(1)
    workflow.cancel(result.id)
    result.refresh()
    assert result.status == FAILED
    assert result.errors[-1].exception_class.__name__ == "WorkflowCanceled"
    workflow.restart(result.id)
    result.refresh()
    assert result.status == READY
    assert done(result).return_value == 2


def test_signals_tell_of_each_task() -> None:
    told: list[tuple[str, str, str]] = []

    def note(name: str) -> Any:
        def receive(sender: Any, task_result: Any, **_: Any) -> None:
            assert sender is WorkflowsBackend
            told.append((name, task_result.id, task_result.status))

        return receive

    receivers = {signal: note(name) for signal, name in (
        (task_enqueued, "enqueued"), (task_started, "started"), (task_finished, "finished"))}  # fmt: skip
    for signal, receive in receivers.items():
        signal.connect(receive)
    try:
        good, bad = tasks.add.enqueue(1), tasks.refuse.enqueue("no")
        run()
    finally:
        for signal, receive in receivers.items():
            signal.disconnect(receive)
    for result, end in ((good, SUCCESSFUL), (bad, FAILED)):
        mine = [(name, status) for name, result_id, status in told if result_id == result.id]
        assert mine == [("enqueued", READY), ("started", RUNNING), ("finished", end)]


def test_the_framework_logs_how_a_task_failed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", settings.TASKS_FRAMEWORK):
        result = done(tasks.refuse.enqueue("no money"))
    (logged,) = [each for each in caplog.records if each.levelname == "ERROR" and each.name == settings.TASKS_FRAMEWORK]
    assert result.id in logged.getMessage()
    assert "in refuse\n" in caplog.text
    assert "ValueError: no money" in caplog.text


def test_what_no_worker_could_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def inner() -> None: ...

    with pytest.raises(InvalidTask):
        tasks.task(inner)
    monkeypatch.setattr(tasks.add.func, "__module__", "__main__")
    with pytest.raises(InvalidTask, match="no worker can import"):
        tasks.add.enqueue(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retires": True}, r"E060\) TASKS\['default'\]: unknown option 'retires'\n\s+HINT: Did you mean 'retry'\?"),
        ({"retry": {"attempts": 3}}, "option 'retry': unknown key 'attempts'; there are max_attempts"),
        ({"retry": {"max_attempts": 0}}, "option 'retry': RetryPolicy: max_attempts must be an int of at least 1"),
        ({"retry": 3}, "option 'retry': True, False, a dict or a RetryPolicy is needed, got 3"),
        ({"timeout": 0}, "option 'timeout': timeout must be longer than 0 seconds"),
        ({"timeout": "a minute"}, "option 'timeout': "),
        ({"retain_for": -1}, "option 'retain_for': "),
        ([], r"OPTIONS must be a dict, got \[\]"),
    ],
)
def test_wrong_options_are_reported_by_check(options: Any, message: str) -> None:
    backend = {"BACKEND": "django_workflows.tasks.WorkflowsBackend", "OPTIONS": options}
    with override_settings(TASKS={"default": backend}), pytest.raises(SystemCheckError, match=message):
        call_command("check")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"retry": True, "timeout": datetime.timedelta(minutes=1)},
        {"retry": {"max_attempts": 3}},
        {"timeout": 60, "retain_for": 604800},
    ],
)
def test_right_options_are_not(options: Any) -> None:
    backend = {"BACKEND": "django_workflows.tasks.WorkflowsBackend", "OPTIONS": options}
    with override_settings(TASKS={"default": backend}):
        call_command("check")
