"""Stores tasks as workflows, and says how they stand then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from ..conf import settings
from ..core.codec import PLAIN
from ..engine.start import StartOptions, start
from ..engine.start_many import start_many
from ..exceptions import InvalidArguments, InvalidPayload, PayloadTooLarge
from .definitions import definition_of, queue_of
from .framework import Task, TaskResult, TaskResultStatus
from .results import enqueued_at
from .told import tell_enqueued

if TYPE_CHECKING:
    from .backend import WorkflowsBackend

P = ParamSpec("P")
R = TypeVar("R")


def enqueue(backend: WorkflowsBackend, task: Task[P, R], args: list[Any], kwargs: dict[str, Any]) -> TaskResult[P, R]:
    """Store one task, whose arguments are JSON."""
    workflow_id = start(definition_of(task), _arguments(backend, task, args, kwargs), _options(backend, task))
    return _enqueued(backend, task, workflow_id, args, kwargs)


def enqueue_many(
    backend: WorkflowsBackend, task: Task[P, R], given: list[tuple[list[Any], dict[str, Any]]]
) -> list[TaskResult[P, R]]:
    """Store a task for each pair of arguments, all or none."""
    texts = [_arguments(backend, task, args, kwargs) for args, kwargs in given]
    ids = start_many(definition_of(task), texts, _options(backend, task))
    return [_enqueued(backend, task, each, *call) for each, call in zip(ids, given, strict=True)]


def _options(backend: WorkflowsBackend, task: Task[..., Any]) -> StartOptions:
    return StartOptions(
        run_at=task.run_after,
        retain_for=backend.task_options.retain_for,
        queue=queue_of(task),
        priority=int(task.priority),
    )


def _arguments(backend: WorkflowsBackend, task: Task[..., Any], args: list[Any], kwargs: dict[str, Any]) -> str:
    """The arguments of the workflow: those of the task, and what its result says of the task."""
    given: dict[str, Any] = {"args": args, "kwargs": kwargs, "backend": backend.alias}
    if task.run_after is not None:
        given["run_after"] = task.run_after.isoformat()
    what = f"arguments of {task.module_path}"
    try:
        return PLAIN.encode(given, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
    except PayloadTooLarge:
        raise
    except InvalidPayload as error:
        raise InvalidArguments(str(error)) from error


def _enqueued(
    backend: WorkflowsBackend, task: Task[P, R], workflow_id: UUID, args: list[Any], kwargs: dict[str, Any]
) -> TaskResult[P, R]:
    result: TaskResult[P, R] = TaskResult(
        task=task,
        id=str(workflow_id),
        status=TaskResultStatus.READY,
        enqueued_at=enqueued_at(workflow_id),
        started_at=None,
        last_attempted_at=None,
        finished_at=None,
        args=args,
        kwargs=kwargs,
        backend=backend.alias,
        errors=[],
        worker_ids=[],
    )
    tell_enqueued(type(backend), result)
    return result
