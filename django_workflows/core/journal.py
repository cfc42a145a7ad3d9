"""What a journal says: the states of workflows and steps, and the record of one step."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from .plain_json import to_text


class WorkflowState(StrEnum):
    """Where a workflow stands. Only ``IN_PROGRESS`` can change, but for a restart."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class StepKind(StrEnum):
    """What a step does."""

    __hash__ = str.__hash__  # Enum's own is written in Python

    QUERY = "query"
    MUTATION = "mutation"
    ACTION = "action"
    WORKFLOW = "workflow"
    EVENT = "event"
    SLEEP = "sleep"
    CREATE_EVENT = "create_event"
    PATCH = "patch"


#: Steps that call a user's function in a worker.
FUNCTION_KINDS = frozenset({StepKind.QUERY, StepKind.MUTATION, StepKind.ACTION})


class StepState(StrEnum):
    """Where a step stands.

    ``QUEUED``: a worker may take it at ``due_at``; ``RUNNING``: a worker has it until ``due_at``, the end of its
    lease; ``WAITING``: for a child, an event, or the clock; the others are ends.
    """

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


OPEN_STATES = frozenset({StepState.QUEUED, StepState.RUNNING, StepState.WAITING})
FINISHED_STATES = frozenset({StepState.COMPLETED, StepState.FAILED})


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as journals keep it. ``type`` and ``bases`` are dotted paths, most derived first.

    ``steps``, of what ended a workflow, are the numbers of the failed steps that it comes from. Where there are none,
    ``handled`` are those in whose handling it was raised.
    """

    type: str
    message: str
    bases: tuple[str, ...] = ()
    traceback: str = ""
    attempts: int = 1
    steps: tuple[int, ...] = ()
    handled: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "type": self.type,
            "message": self.message,
            "bases": list(self.bases),
            "traceback": self.traceback,
            "attempts": self.attempts,
        }
        if self.steps:
            document["steps"] = list(self.steps)
        if self.handled:
            document["handled"] = list(self.handled)
        return document

    def dump(self) -> str:
        return to_text(self.to_json())

    @classmethod
    def load(cls, text: str) -> Failure:
        data = json.loads(text)
        return cls(
            type=data["type"],
            message=data["message"],
            bases=tuple(data.get("bases", ())),
            traceback=data.get("traceback", ""),
            attempts=data.get("attempts", 1),
            steps=tuple(data.get("steps", ())),
        )


@dataclass(slots=True)
class StepRecord:
    """One step of a journal, as far as replay needs it.

    ``args`` and ``result`` are JSON texts. ``delivery`` is the position at which the handler was handed the outcome,
    ``None`` while it was not; ``delivered_at`` is when that was.
    """

    number: int
    kind: str
    name: str
    args: str
    state: str
    result: str | None = None
    error: Failure | None = None
    delivery: int | None = None
    delivered_at: datetime | None = None
    finished_at: datetime | None = None
    due_at: datetime | None = None
    function: str = ""


def undelivered(records: Iterable[StepRecord]) -> list[StepRecord]:
    """Steps that ended and were not handed over yet, in the order in which they ended; patch markers never are."""
    waiting = [
        record
        for record in records
        if record.delivery is None and record.state in FINISHED_STATES and record.kind != StepKind.PATCH
    ]
    return sorted(waiting, key=lambda record: (record.finished_at is None, record.finished_at, record.number))


@dataclass(slots=True)
class WorkflowRecord:
    """One workflow, as far as the engine needs it. ``args``, ``context``, ``result`` and ``error`` are JSON texts."""

    id: UUID
    name: str
    state: str
    args: str
    result: str | None
    error: str | None
    blocked_message: str
    generation: int
    version: int
    delivered: int
    journal_bytes: int
    deliveries: int
    due_at: datetime | None
    queue: str
    priority: int
    on_complete: str
    on_complete_seal: str
    context: str | None
    parent: UUID | None
    parent_step: int | None
    depth: int
    continuations: int
    reopened: bool
    cancel_requested_at: datetime | None
    canceled_at_delivery: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    retain_for: timedelta | None
    trace: str
    logic: int
    scheduled_for: datetime | None
    captured: str | None = None
    has_events: bool = False
    never_awaited: str = ""


class Lane(IntEnum):
    """Where a step runs: a static fact of its function, by which workers claim."""

    #: In a worker's main thread, one at a time: queries, mutations, and actions that are to be alone.
    MAIN = 0
    #: Async actions: on a worker's event loop, beside others.
    ASYNC = 1
    #: Other actions: in a thread beside others, or, where the function is quick, in the main thread.
    THREAD = 2


class AttemptId(NamedTuple):
    """One attempt, once and for all: a restart, which counts ``generation`` up, numbers steps and attempts anew."""

    workflow_id: UUID
    generation: int
    number: int
    attempt: int


@dataclass(slots=True)
class ClaimedStep:
    """A step that this worker may run, until ``lease_ends_at`` or as long as it renews the lease.

    ``lost`` counts earlier attempts whose worker went away without a word. ``damage`` says what is wrong with its row,
    if that cannot be what was once written. ``cancels`` says how the attempt, a mutation, canceled its own workflow
    ("gracefully", "by force"), and ``sends`` whether it sent it an event: that is carried out with its end. ``refused``
    counts the deliveries that use up no attempt: they ended with a transient error of the database's, by which nothing
    was done, or the attempt was lost with its worker beside others.
    """

    workflow_id: UUID
    generation: int
    workflow_name: str
    number: int
    kind: str
    name: str
    function: str
    args: str
    options: dict[str, Any]
    attempt: int
    failures: list[dict[str, Any]]
    queued_at: datetime
    started_at: datetime
    queue: str = ""
    pool: str = ""
    continuations: int = 0
    trace: str = ""
    damage: str = ""
    captured: str | None = None
    cancels: str = ""
    sends: bool = False
    refused: int = 0
    lane: int = 0

    @property
    def attempt_id(self) -> AttemptId:
        return AttemptId(self.workflow_id, self.generation, self.number, self.attempt)

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts of this step, and for no other step."""
        run = f"{self.workflow_id}:{self.continuations}" if self.continuations else str(self.workflow_id)
        return f"{run}:{self.number}"

    @property
    def lost(self) -> int:
        return self.attempt - 1 - len(self.failures)
