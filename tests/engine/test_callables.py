"""Step functions of every kind: they run, live and replayed, or an error says what to write."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from django_workflows import Completed, InvalidArguments, InvalidStep, WorkflowContext
from django_workflows.core.definitions import step_function_path
from tests.app import callables
from tests.app.steps import Point
from tests.app.workflows import workflow
from tests.engine.driver import finish

BOTH = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


@workflow.define(name="callables: all")
async def all_kinds(step: WorkflowContext) -> list[Any]:
    return [
        await step.run_action(callables.describe, 1),
        await step.run_query(callables.describe, value="a"),
        await step.with_options(timeout=30).run_action(callables.describe, Point(1, 2)),
        await step.run_action(callables.describe_all, 1, 2),
        await step.run_mutation(callables.cached, 1),
        await step.run_action(callables.wrapped_async, 1),
        await step.run_mutation(callables.wrapped_async, 2),
        await step.run_action(len, [1, 2]),
    ]


@BOTH
def test_what_can_be_imported_runs(replaying: bool) -> None:
    assert finish(all_kinds.start(), replaying=replaying) == Completed(
        ["the number 1", "the text a", "the point 1", "2", 2, 3, 4, 2]
    )


class OwnTask:
    pass


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (callables.partly, r"is a functools.partial, .* as in step.run_action\(plain, ...\)"),
        (callables.Adder, "is a class: write a function at the top level"),
        (callables.adder, "is an object of Adder and not a module-level function"),
        (callables.adder.add, "is a method, and another process does not have its object"),
        (dict.get, "is a method"),
        (callables.nameless, "is a closure, .*its decorator needs functools.wraps"),
        ("tests.app.callables.plain", "is a text: import the function, and pass it"),
        (None, "is not a module-level function"),
        (max, "has no signature that can be read: call it from a function of your own"),
    ],
)
def test_what_cannot_says_what_to_write(given: Any, message: str) -> None:
    @workflow.define(name="callables: one")
    async def one(step: WorkflowContext) -> None:
        await step.run_action(given, 1)

    status = finish(one.start())
    assert status.type == "failed"
    with pytest.raises(InvalidStep, match=message):
        raise InvalidStep(status.error)


def test_a_coroutine_in_place_of_its_function() -> None:
    called = callables.coroutine(1)
    with pytest.raises(InvalidStep, match=r"is coroutine\(\) called already: .*step.run_action\(coroutine, ...\)"):
        step_function_path(called)
    called.close()


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    """``callables.plain`` as a task of whichever framework is here, whose backend is not ours."""
    if not settings.TASKS_FRAMEWORK:
        pytest.skip("neither Django 6 nor django-tasks is here")
    tasks = importlib.import_module(settings.TASKS_FRAMEWORK)
    settings.TASKS = {"default": {"BACKEND": f"{settings.TASKS_FRAMEWORK}.backends.dummy.DummyBackend"}}
    made = tasks.task(callables.plain)
    monkeypatch.setattr(callables, "plain", made)
    return made


@BOTH
def test_a_task_of_djangos_is_a_step_function(task: Any, replaying: bool) -> None:
    @workflow.define(name="callables: task")
    async def runs_a_task(step: WorkflowContext) -> list[int]:
        return [
            await step.run_action(task, 1),
            await step.run_query(task.using(priority=3), 2),
            await step.run_mutation(task, value=3),
            await step.run_action(task.func, 4),
            *await step.map(task, [5, 6]),
        ]

    workflow_id = runs_a_task.start()
    assert finish(workflow_id, replaying=replaying) == Completed([2, 3, 4, 5, 6, 7])
    assert {each.function for each in workflow.steps(workflow_id)} == {"tests.app.callables.plain"}
    workflow.restart(workflow_id, from_step=task)
    assert finish(workflow_id) == Completed([2, 3, 4, 5, 6, 7])


def test_a_tasks_arguments_are_checked_as_its_functions(task: Any) -> None:
    @workflow.define(name="callables: task with a bad argument")
    async def runs_a_task(step: WorkflowContext) -> int:
        return await step.run_action(task, "one")

    status = finish(runs_a_task.start())
    assert "tests.app.callables.plain(): parameter 'value'" in status.error


def test_a_task_as_on_complete_is_refused_with_what_to_write(task: Any) -> None:
    from tests.app.workflows import nothing

    with pytest.raises(
        InvalidArguments, match=r"plain is a task .* \(workflow_id, result, context\) that calls plain\."
    ):
        nothing.with_options(on_complete=task).start()
