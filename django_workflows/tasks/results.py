"""A task's result, as its workflow has it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ..core.attempts import Attempt, AttemptState, StepHistory, read_failure
from ..core.journal import StepState, WorkflowRecord, WorkflowState
from ..core.payloads import codec_for
from ..core.registry import registry
from ..exceptions import WorkflowCanceled
from ..store import workflows
from ..store.payloads import step_payloads
from .framework import (
    InvalidTask,
    Task,
    TaskError,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
)

DEFAULT_QUEUE = "default"
_ENDS = {
    WorkflowState.COMPLETED: TaskResultStatus.SUCCESSFUL,
    WorkflowState.FAILED: TaskResultStatus.FAILED,
    WorkflowState.CANCELED: TaskResultStatus.FAILED,
}
_CANCELED = f"{WorkflowCanceled.__module__}.{WorkflowCanceled.__qualname__}"
_INSTANT = codec_for(datetime)


def read_result(workflow_id: UUID | str) -> TaskResult[..., Any]:
    """The result of the task that was enqueued under that id; ``TaskResultDoesNotExist`` if there is none."""
    from .definitions import TaskDefinition

    try:
        workflow = workflows.read(workflow_id if isinstance(workflow_id, UUID) else UUID(workflow_id))
    except (ValueError, AttributeError, TypeError):
        workflow = None
    if workflow is None:
        raise TaskResultDoesNotExist(f"there is no task {workflow_id!r:.100} (rolled back, or deleted by retention)")
    definition = registry.get(workflow.name)
    if not isinstance(definition, TaskDefinition):
        raise TaskResultDoesNotExist(f"{workflow_id} is of {workflow.name}, which is no task that this code defines")
    return _result(workflow, definition.task)


def enqueued_at(workflow_id: UUID) -> datetime:
    """When a task was enqueued, by the clock of the host that did it, in milliseconds: so whoever did knows it, too."""
    return datetime.fromtimestamp((workflow_id.int >> 80) / 1000, UTC)


def _result(workflow: WorkflowRecord, defined: Task[..., Any]) -> TaskResult[..., Any]:
    given = json.loads(workflow.args)
    row = None if workflow.started_at is None else step_payloads(workflow.id, [0], sys.maxsize).get(0)
    step = None if row is None else StepHistory.of(row, tracebacks=True)
    attempts = [] if step is None else [each for each in step.attempts if each.state != AttemptState.QUEUED]
    result = TaskResult(
        task=_as_enqueued(defined, workflow, given),
        id=str(workflow.id),
        status=_status(workflow, step),
        enqueued_at=min(enqueued_at(workflow.id), workflow.created_at),
        started_at=next((each.started_at for each in attempts if each.started_at), None),
        last_attempted_at=next((each.started_at for each in reversed(attempts) if each.started_at), None),
        finished_at=workflow.finished_at,
        args=given.get("args") or [],
        kwargs=given.get("kwargs") or {},
        backend=given.get("backend") or defined.backend,
        errors=list(_errors(workflow, attempts)),
        worker_ids=[] if row is None else _workers(row, attempts),
    )
    if workflow.state == WorkflowState.COMPLETED:
        object.__setattr__(result, "_return_value", None if workflow.result is None else json.loads(workflow.result))
    return result


def _status(workflow: WorkflowRecord, step: StepHistory | None) -> TaskResultStatus:
    ended = _ENDS.get(WorkflowState(workflow.state))
    if ended is not None:
        return ended
    # Between its step's end and its own it still runs, as everybody else sees it.
    running = step is not None and step.state != StepState.QUEUED
    return TaskResultStatus.RUNNING if running else TaskResultStatus.READY


def _errors(workflow: WorkflowRecord, attempts: list[Attempt]) -> Iterator[TaskError]:
    """Of each attempt that failed, and of what ended the task, if no attempt did."""
    failures = [each.error for each in attempts if each.error is not None]
    last = None if workflow.error is None else read_failure(workflow.error, tracebacks=True)
    for failure in failures:
        yield TaskError(exception_class_path=failure.type, traceback=failure.traceback)
    if workflow.state == WorkflowState.CANCELED:
        said = "" if last is None else last.message
        yield TaskError(exception_class_path=_CANCELED, traceback=said)
    elif last is not None and (attempts == [] or attempts[-1].error is None):
        yield TaskError(exception_class_path=last.type, traceback=last.traceback)


def _workers(row: Mapping[str, Any], attempts: list[Attempt]) -> list[str]:
    """Who ran each attempt, "" where that is not known."""
    failures = {number: each.get("worker", "") for number, each in enumerate(json.loads(row["failures"]), 1)}
    last = len(attempts)
    if last and last not in failures:
        failures[last] = row["claimed_by"]
    return [failures.get(number, "") for number in range(1, last + 1)]


def _as_enqueued(defined: Task[..., Any], workflow: WorkflowRecord, given: Mapping[str, Any]) -> Task[..., Any]:
    run_after = given.get("run_after")
    try:
        return defined.using(
            priority=workflow.priority,
            queue_name=workflow.queue or DEFAULT_QUEUE,
            run_after=None if run_after is None else _INSTANT.from_jsonable(run_after),
            backend=given.get("backend") or defined.backend,
        )
    except (InvalidTask, LookupError, ValueError):  # the settings have changed meanwhile
        return defined
