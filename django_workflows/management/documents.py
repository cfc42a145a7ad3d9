"""Workflows and journals as JSON, secrets masked: keys stay, and instants are ISO 8601, durations seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..core.attempts import Attempt, StepHistory, read_failure
from ..core.blocked import Blocked
from ..core.journal import Failure
from ..core.keys import parted
from ..core.payloads import loaded
from ..core.progress import Progress
from ..core.waiting import Wait
from ..engine import forgotten
from ..models import Workflow
from ..store.blocked import blocked_of
from ..words.masked import masked_text, masked_value
from .journals import Journal


def workflow_document(workflow: Workflow) -> dict[str, Any]:
    """What is known of a workflow, without arguments and result."""
    return {
        "id": str(workflow.id),
        "name": workflow.name,
        "state": workflow.state,
        "created_at": _iso(workflow.created_at),
        "scheduled_for": _iso(workflow.scheduled_for),
        "started_at": _iso(workflow.started_at),
        "finished_at": _iso(workflow.finished_at),
        "due_at": _iso(workflow.due_at),
        "error": failure_document(read_failure(workflow.error)),
        "blocked": blocked_document(blocked_of(workflow)),
        "cancel_requested_at": _iso(workflow.cancel_requested_at),
        "parent": None if workflow.parent_id is None else str(workflow.parent_id),
        "parent_step": workflow.parent_step,
        "key": workflow.key,
        "idempotency_key": workflow.idempotency_key and parted(workflow.idempotency_key)[0],
        "queue": workflow.queue,
        "priority": workflow.priority,
        "generation": workflow.generation,
        "continuations": workflow.continuations,
    }


def blocked_document(blocked: Blocked | None) -> dict[str, Any] | None:
    """Why a workflow is blocked, since when, and when that was found last."""
    if blocked is None:
        return None
    return {
        "reason": str(blocked.reason),
        "message": masked_text(blocked.message),
        "since": _iso(blocked.since),
        "checked_at": _iso(blocked.checked_at),
    }


def full_document(workflow: Workflow) -> dict[str, Any]:
    """The same with arguments, result and what became of ``on_complete``."""
    return {
        **workflow_document(workflow),
        "args": masked_value(loaded(workflow.args)),
        "result": masked_value(loaded(workflow.result)),
        "captured": masked_value(loaded(workflow.captured)),
        "untaken_events": forgotten.untaken_events(workflow),
        "never_awaited": [
            {"number": number, "name": name} for number, name in forgotten.never_awaited(workflow).items()
        ],
        "on_complete": workflow.on_complete or None,
        "on_complete_error": failure_document(read_failure(workflow.on_complete_error)),
    }


def journal_document(journal: Journal) -> dict[str, Any]:
    """A workflow with its steps and what it waits for."""
    return {
        **full_document(journal.workflow),
        "waiting_for": [_wait_document(wait) for wait in journal.waits],
        "steps": [_step_document(step, journal) for step in journal.steps],
    }


def _wait_document(wait: Wait) -> dict[str, Any]:
    return {
        "kind": wait.kind,
        "step": wait.number,
        "name": wait.name,
        "count": wait.count,
        "until": _iso(wait.until),
        "attempt": wait.attempt or None,
        "max_attempts": wait.max_attempts,
        "queue": wait.queue,
    }


def _step_document(step: StepHistory, journal: Journal) -> dict[str, Any]:
    child = journal.children.get(step.number)
    return {
        "number": step.number,
        "kind": step.kind,
        "name": step.name,
        "state": step.state,
        "created_at": _iso(step.created_at),
        "finished_at": _iso(step.finished_at),
        "due_at": _iso(step.due_at),
        "error": failure_document(step.error),
        "attempts": [_attempt_document(attempt) for attempt in step.attempts],
        "max_attempts": step.max_attempts,
        "progress": progress_document(step.progress),
        "child": None if child is None else str(child),
        **_payloads(journal.payloads.get(step.number, {})),
    }


def _payloads(payloads: Mapping[str, Any]) -> dict[str, Any]:
    return {name: text if name == "function" else masked_value(loaded(text)) for name, text in payloads.items()}


def progress_document(progress: Progress | None) -> dict[str, Any] | None:
    """What a step reported: how much is done, of how much, and a message."""
    if progress is None:
        return None
    return {"done": progress.done, "total": progress.total, "message": masked_text(progress.message)}


def _attempt_document(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "state": attempt.state,
        "queued_at": _iso(attempt.queued_at),
        "started_at": _iso(attempt.started_at),
        "finished_at": _iso(attempt.finished_at),
        "error": failure_document(attempt.error),
    }


def failure_document(failure: Failure | None) -> dict[str, str] | None:
    """Type and message of an error, and its traceback where that was read."""
    if failure is None:
        return None
    traceback = {"traceback": masked_text(failure.traceback)} if failure.traceback else {}
    return {"type": failure.type, "message": masked_text(failure.message), **traceback}


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
