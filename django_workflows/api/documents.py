"""What a client sees of workflows, steps and events: plain values, with payloads only for those who may see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core.attempts import HISTORY_COLUMNS, Attempt, StepHistory, read_failure
from ..core.blocked import Blocked
from ..core.journal import Failure, WorkflowState
from ..core.keys import parted
from ..core.payloads import loaded
from ..core.progress import Progress, together
from ..core.waiting import Wait
from ..engine import forgotten
from ..models import Event, Workflow
from ..store.blocked import blocked_of
from ..store.steps import RunningFunction
from ..words.masked import masked_text, masked_value

#: The columns of a step's row that ``step_document`` reads.
STEP_COLUMNS = (*HISTORY_COLUMNS, "function", "args", "result")
#: So many open steps are named, and looked at for what they wait for.
OPEN_LIMIT = 200


@dataclass(frozen=True)
class View:
    """Who looks: ``payloads`` says whether they may see arguments, results, and the messages of errors."""

    payloads: bool

    def payload(self, text: str | None) -> Any:
        """The value of a stored JSON text, with the values of secret keys masked; ``None`` if it is not shown."""
        return masked_value(loaded(text)) if self.payloads else None

    def text(self, text: str) -> str | None:
        """A message that may quote payloads, without what looks like a secret; ``None`` if it is not shown."""
        return masked_text(text) if self.payloads else None

    def error(self, failure: Failure | None) -> dict[str, Any] | None:
        """An error: its type is shown to all, its message only beside other payloads. Tracebacks never are."""
        if failure is None:
            return None
        return {"type": failure.type, "message": self.text(failure.message)}


def workflow_document(workflow: Workflow, view: View, links: Mapping[str, str]) -> dict[str, Any]:
    """One row of the list: all that is known without looking at steps."""
    return {
        "id": str(workflow.id),
        "name": workflow.name,
        "state": workflow.state,
        "version": workflow.version,
        "generation": workflow.generation,
        "created_at": iso(workflow.created_at),
        "scheduled_for": iso(workflow.scheduled_for),
        "started_at": iso(workflow.started_at),
        "finished_at": iso(workflow.finished_at),
        "due_at": iso(workflow.due_at),
        "cancel_requested_at": iso(workflow.cancel_requested_at),
        "blocked": _blocked(blocked_of(workflow), view),
        "parent": None if workflow.parent_id is None else str(workflow.parent_id),
        "parent_step": workflow.parent_step,
        "idempotency_key": None if workflow.idempotency_key is None else parted(workflow.idempotency_key)[0],
        "error": view.error(read_failure(workflow.error)),
        "links": dict(links),
    }


def _blocked(blocked: Blocked | None, view: View) -> dict[str, Any] | None:
    """Why it is blocked; the message quotes arguments, so it is shown beside other payloads only."""
    if blocked is None:
        return None
    return {
        "reason": str(blocked.reason),
        "message": view.text(blocked.message),
        "since": iso(blocked.since),
        "checked_at": iso(blocked.checked_at),
    }


def status_document(
    workflow: Workflow,
    steps: Iterable[StepHistory],
    waits: Iterable[Wait],
    view: View,
    links: Mapping[str, str],
    still_running: Iterable[RunningFunction] = (),
) -> dict[str, Any]:
    """Everything about one workflow, of which the open ``steps`` are given, but for its journal.

    ``still_running`` are steps that were canceled, and whose functions run on.
    """
    reports = together((step.name, step.progress) for step in steps if step.progress is not None)
    return {
        **workflow_document(workflow, view, links),
        "status": _status(workflow, steps, view),
        "progress": {name: _progress(found, view) for name, found in reports.items()},
        "waiting_for": [_wait_document(wait, view) for wait in waits],
        "args": view.payload(workflow.args),
        "context": view.payload(workflow.context),
        "result": view.payload(workflow.result),
        "untaken_events": forgotten.untaken_events(workflow),
        "never_awaited": [
            {"number": number, "name": name} for number, name in forgotten.never_awaited(workflow).items()
        ],
        "still_running": [{"number": step.number, "name": step.name} for step in still_running],
        "on_complete_error": view.error(read_failure(workflow.on_complete_error)),
    }


def _status(workflow: Workflow, steps: Iterable[StepHistory], view: View) -> dict[str, Any]:
    """The four shapes of ``WorkflowManager.status()``."""
    if workflow.state == WorkflowState.IN_PROGRESS:
        return {"type": "in_progress", "running": [step.name for step in steps]}
    if workflow.state == WorkflowState.COMPLETED:
        return {"type": "completed", "result": view.payload(workflow.result)}
    if workflow.state == WorkflowState.FAILED:
        failure = read_failure(workflow.error)
        message = None if failure is None else view.text(failure.message)
        return {"type": "failed", "error": message, "error_type": failure.type if failure else ""}
    return {"type": "canceled"}


def _progress(found: Progress, view: View) -> dict[str, Any]:
    return {"done": found.done, "total": found.total, "message": view.text(found.message) or ""}


def _wait_document(wait: Wait, view: View) -> dict[str, Any]:
    return {
        "kind": wait.kind.value,
        "step": wait.number,
        "name": wait.name if wait.blocked is None else view.text(wait.name) or str(wait.blocked.reason),
        "count": wait.count,
        "until": iso(wait.until),
        "attempt": wait.attempt or None,
        "max_attempts": wait.max_attempts,
        "queue": wait.queue,
    }


def step_document(row: Mapping[str, Any], view: View, child: Any = None) -> dict[str, Any]:
    """One entry of the journal, with its attempts. ``child`` is the id of the workflow that it runs, if it does."""
    step = StepHistory.of(row)
    return {
        "number": step.number,
        "kind": step.kind,
        "name": step.name,
        "function": row["function"],
        "state": step.state,
        "created_at": iso(step.created_at),
        "started_at": iso(step.started_at),
        "finished_at": iso(step.finished_at),
        "due_at": iso(step.due_at),
        "attempts": [_attempt_document(attempt, view) for attempt in step.attempts],
        "max_attempts": step.max_attempts,
        "progress": None if step.progress is None else _progress(step.progress, view),
        "child": None if child is None else str(child),
        "args": view.payload(row["args"]),
        "result": view.payload(row["result"]),
        "error": view.error(step.error),
    }


def _attempt_document(attempt: Attempt, view: View) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "state": attempt.state.value,
        "queued_at": iso(attempt.queued_at),
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "error": view.error(attempt.error),
    }


def event_document(event: Event, view: View) -> dict[str, Any]:
    """One event that was made or sent."""
    return {
        "id": str(event.id),
        "name": event.name,
        "state": event.state,
        "step": event.step,
        "created_at": iso(event.created_at),
        "sent_at": iso(event.sent_at),
        "value": view.payload(event.value),
        "error": view.error(read_failure(event.error)),
    }


def iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")
