"""Tasks, of django.tasks or of django_tasks, whichever is here."""

from __future__ import annotations

import asyncio
import datetime
from importlib import import_module
from typing import Any

from django.conf import settings

from django_workflows import current_step
from tests.app import cluster_steps, steps
from tests.app.models import Effect

task: Any = import_module(settings.TASKS_FRAMEWORK).task


@task
def add(one: int, other: int = 1) -> int:
    """Add two numbers."""
    return one + other


@task
def echo(*args: Any, **kwargs: Any) -> Any:
    return [args, kwargs]


@task
async def double(number: int) -> int:
    return 2 * number


@task
def refuse(reason: str) -> None:
    raise ValueError(reason)


@task(backend="patient")
def refuse_twice(key: str) -> int:
    if current_step().attempt < 3:
        raise ConnectionError(f"{key}: attempt {current_step().attempt}")
    return current_step().attempt


@task
def today() -> datetime.date:
    steps.calls.append("today")
    return datetime.date(2026, 12, 1)


@task(takes_context=True)
def who(context: Any, *args: Any) -> list[Any]:
    result = context.task_result
    return [result.id, context.attempt, result.status, list(result.args), list(args), len(result.worker_ids)]


@task(takes_context=True)
async def who_async(context: Any) -> list[Any]:
    return [context.task_result.id, context.attempt, context.task_result.status]


@task(takes_context=True)
def greeting(context: Any, name: str, *, loud: bool = False) -> str:
    return f"{name.upper() if loud else name} {context.attempt}"


@task
def save(key: str) -> int:
    return int(Effect.objects.create(key=key).pk)


@task
def note(log: str, name: str, seconds: float = 0.0) -> str:
    return cluster_steps.act(log, name, seconds)


@task(backend="patient")
def note_slowly_at_first(log: str, name: str, seconds: float) -> int:
    return cluster_steps.act_slowly_at_first(log, name, seconds)


@task(backend="patient", takes_context=True)
async def wait_and_refuse_once(context: Any, seconds: float) -> list[Any]:
    await asyncio.sleep(seconds)
    if context.attempt == 1:
        raise ConnectionError("the first time")
    return [context.attempt, len(context.task_result.errors), all(context.task_result.worker_ids)]


def enqueue_add(fails: bool) -> None:
    """A mutation that enqueues a task."""
    add.enqueue(1)
    if fails:
        raise ValueError("after that")
