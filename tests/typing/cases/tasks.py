"""Tasks of Django's Tasks as step functions."""

from __future__ import annotations

from typing import Any, assert_type

from django.tasks import TaskContext, task  # pyright: ignore[reportMissingModuleSource]

from django_workflows import WorkflowContext


@task
def welcome(user_id: int, *, language: str = "en") -> str:
    raise NotImplementedError


@task
async def count(number: int) -> list[int]:
    raise NotImplementedError


@task(takes_context=True)
def greet(context: TaskContext[Any, Any], name: str) -> bytes:
    raise NotImplementedError


async def right(step: WorkflowContext) -> None:
    assert_type(await step.run_action(welcome, 7), str)
    assert_type(await step.run_action(welcome, user_id=7, language="de"), str)
    assert_type(await step.run_mutation(count, 7), list[int])
    assert_type(await step.run_query(greet, "Ann"), bytes)
    assert_type(await step.map(count, [1, 2]), list[list[int]])
    assert_type(await step.map(greet, ["Ann", "Bob"]), list[bytes])


async def wrong(step: WorkflowContext) -> None:
    await step.run_action(welcome, "seven")  # refused: call-overload
    await step.run_action(welcome)  # refused: call-overload
    await step.run_action(count, 7, 8)  # refused: call-overload
    await step.run_query(greet)  # refused: call-overload
