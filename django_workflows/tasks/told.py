"""Tells receivers of the framework's signals what becomes of tasks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.dispatch import Signal

from .. import signals
from ..core.journal import WorkflowState
from ..engine.current import current_step
from ..exceptions import WorkflowFailed
from .framework import (
    BaseTaskBackend,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    is_heard,
    is_logged,
    task_enqueued,
    task_finished,
    task_started,
)
from .results import read_result


def tell_enqueued(sender: type[BaseTaskBackend], result: TaskResult[..., Any]) -> None:
    """Send ``task_enqueued``, in the caller."""
    if is_heard(task_enqueued) or is_logged(logging.DEBUG):
        task_enqueued.send_robust(sender, task_result=result)


def tell_started(task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Send ``task_started`` for the running step, in its worker."""
    if is_heard(task_started):
        _send(task_started, current_step().workflow_id)
    elif is_logged(logging.INFO):
        result = _brief(task, current_step().workflow_id, TaskResultStatus.RUNNING, list(args), dict(kwargs))
        task_started.send_robust(type(task.get_backend()), task_result=result)


def tell_finished(workflow_id: UUID, name: str, state: str, **_: Any) -> None:
    """Send ``task_finished`` for a workflow that has ended, if it was a task's."""
    from .definitions import made

    definition = made.get(name)
    if definition is None:
        return
    if state != WorkflowState.COMPLETED:
        _send_failed(definition.task, workflow_id)
    elif is_heard(task_finished):
        _send(task_finished, workflow_id)
    elif is_logged(logging.INFO):
        result = _brief(definition.task, workflow_id, TaskResultStatus.SUCCESSFUL, [], {})
        task_finished.send_robust(type(definition.task.get_backend()), task_result=result)


def _send_failed(task: Task[..., Any], workflow_id: UUID) -> None:
    """The framework logs the exception that is being handled, as tools that watch errors want it."""
    try:
        result = read_result(workflow_id)
    except TaskResultDoesNotExist:  # cleaned up meanwhile
        return
    last = result.errors[-1] if result.errors else None
    try:
        raise WorkflowFailed(f"task {task.name} failed: {'' if last is None else last.exception_class_path}")
    except WorkflowFailed as error:
        if last is not None:
            error.add_note(last.traceback)
        task_finished.send_robust(type(result.task.get_backend()), task_result=result)


def _send(signal: Signal, workflow_id: UUID) -> None:
    try:
        result = read_result(workflow_id)
    except TaskResultDoesNotExist:  # cleaned up meanwhile
        return
    signal.send_robust(type(result.task.get_backend()), task_result=result)


def _brief(
    task: Task[..., Any], workflow_id: UUID, status: TaskResultStatus, args: list[Any], kwargs: dict[str, Any]
) -> TaskResult[..., Any]:
    """What is known without asking the database, which would be a statement more for each task."""
    return TaskResult(
        task=task,
        id=str(workflow_id),
        status=status,
        enqueued_at=None,
        started_at=None,
        last_attempted_at=None,
        finished_at=None,
        args=args,
        kwargs=kwargs,
        backend=task.backend,
        errors=[],
        worker_ids=[],
    )


signals.workflow_completed.connect(tell_finished, dispatch_uid="django_workflows.tasks")
