"""``run`` runs enqueued tasks, in the test's process and transaction; tasks can be faked as step functions can."""

from __future__ import annotations

import datetime
from typing import Any
from unittest.mock import call

import pytest
from django.conf import settings
from django.utils import timezone

from django_workflows import Completed, WorkflowContext
from tests.testing.shop import workflow

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not settings.TASKS_FRAMEWORK, reason="neither Django 6 nor django-tasks is here"),
]


@pytest.fixture
def tasks() -> Any:
    from tests.app import tasks

    return tasks


def test_run_runs_enqueued_tasks(workflows: Any, tasks: Any) -> None:
    results = [tasks.add.enqueue(1, 2), tasks.double.enqueue(4), tasks.who.enqueue(), tasks.who_async.enqueue()]
    workflows.run()
    for result in results:
        result.refresh()
    assert [result.return_value for result in results[:2]] == [3, 8]
    assert [result.return_value[0] for result in results[2:]] == [result.id for result in results[2:]]
    for expected in (call(1, 2), call(one=1, other=2), call(1, other=2)):
        assert workflows.calls(tasks.add) == [expected]


def test_time_passes_as_the_test_says(workflows: Any, tasks: Any) -> None:
    later = tasks.add.using(run_after=timezone.now() + datetime.timedelta(hours=1)).enqueue(1)
    retried = tasks.refuse_twice.enqueue("x")
    workflows.run()
    later.refresh()
    assert later.status == "READY"
    workflows.advance(datetime.timedelta(hours=2))
    later.refresh()
    retried.refresh()
    assert (later.return_value, retried.return_value) == (2, 3)


def test_a_task_is_faked_enqueued_and_as_a_step(workflows: Any, tasks: Any) -> None:
    @workflow.define(name="testing: runs a task")
    async def runs_a_task(step: WorkflowContext) -> str:
        return await step.run_action(tasks.greeting, "Ann", loud=True)

    try:
        workflows.fake(tasks.greeting, calls=lambda name, *, loud=False: f"faked {name} {loud}")
        result, workflow_id = tasks.greeting.enqueue("Bob"), runs_a_task.start()
        workflows.run()
        result.refresh()
        assert result.return_value == "faked Bob False"
        assert workflow.status(workflow_id) == Completed("faked Ann True")
        assert sorted(map(str, workflows.calls(tasks.greeting))) == ["call('Ann', loud=True)", "call('Bob')"]
    finally:
        from django_workflows.core.registry import registry

        registry.remove("testing: runs a task")


def test_a_failure_is_seen(workflows: Any, tasks: Any) -> None:
    result = tasks.refuse.enqueue("no")
    workflows.fake(tasks.refuse, raises=LookupError("faked"))
    workflows.run()
    result.refresh()
    assert [error.exception_class for error in result.errors] == [LookupError]
