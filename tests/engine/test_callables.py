"""Step functions of every kind: they run, live and replayed, or an error says what to write."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from django_workflows import Completed, InvalidStep, WorkflowContext
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


def test_a_task_of_djangos_leads_to_its_function_which_runs(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    for name in ("django.tasks", "django_tasks"):
        try:
            tasks = importlib.import_module(name)
        except ImportError:
            continue
        break
    else:
        pytest.skip("neither Django 6 nor django-tasks is here")
    settings.TASKS = {"default": {"BACKEND": f"{name}.backends.dummy.DummyBackend"}}
    task = tasks.task(callables.plain)
    monkeypatch.setattr(callables, "plain", task)
    with pytest.raises(InvalidStep, match=r"is a task of Django's Tasks: .* as in step.run_action\(plain.func, ...\)"):
        step_function_path(task)

    @workflow.define(name="callables: task")
    async def runs_a_task(step: WorkflowContext) -> int:
        return await step.run_action(task.func, 1)

    assert finish(runs_a_task.start(), replaying=True) == Completed(2)
