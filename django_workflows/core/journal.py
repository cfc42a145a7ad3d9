"""What a journal says: the states of workflows and steps, and the record of one step."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID


class WorkflowState(StrEnum):
    """Where a workflow stands. Only ``IN_PROGRESS`` can change, but for a restart."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class StepKind(StrEnum):
    """What a step does."""

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
    """An exception as journals keep it. ``type`` and ``bases`` are dotted paths, most derived first."""

    type: str
    message: str
    bases: tuple[str, ...] = ()
    traceback: str = ""
    attempts: int = 1

    def to_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "message": self.message,
            "bases": list(self.bases),
            "traceback": self.traceback,
            "attempts": self.attempts,
        }

    def dump(self) -> str:
        return json.dumps(self.to_json())

    @classmethod
    def load(cls, text: str) -> Failure:
        data = json.loads(text)
        return cls(
            type=data["type"],
            message=data["message"],
            bases=tuple(data.get("bases", ())),
            traceback=data.get("traceback", ""),
            attempts=data.get("attempts", 1),
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


@dataclass(slots=True)
class WorkflowRecord:
    """One workflow, as far as the engine needs it. ``args``, ``context``, ``result`` and ``error`` are JSON texts."""

    id: UUID
    name: str
    state: str
    args: str
    result: str | None
    error: str | None
    problem: str
    generation: int
    version: int
    delivered: int
    journal_bytes: int
    deliveries: int
    due_at: datetime | None
    queue: str
    priority: int
    on_complete: str
    context: str | None
    parent: UUID | None
    parent_step: int | None
    depth: int
    cancel_requested_at: datetime | None
    canceled_at_delivery: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    retain_for: timedelta | None
    trace: str


@dataclass(slots=True)
class NewWorkflow:
    """A workflow to be stored. It begins after ``delay`` seconds, or at ``run_at``, or at once."""

    id: UUID
    name: str
    args: str
    queue: str = ""
    priority: int = 0
    key: str | None = None
    idempotency_key: str | None = None
    on_complete: str = ""
    context: str | None = None
    parent: UUID | None = None
    parent_step: int | None = None
    depth: int = 0
    delay: float | None = None
    run_at: datetime | None = None
    retain_for: timedelta | None = None
    trace: str = ""


@dataclass(slots=True)
class NewStep:
    """A step to be stored. ``state`` RUNNING means that the worker which stores it runs it; ``lease`` is in seconds."""

    number: int
    kind: str
    name: str
    args: str
    state: str
    function: str = ""
    options: str = "{}"
    delay: float | None = None
    run_at: datetime | None = None
    lease: float | None = None
    queue: str = ""
    priority: int = 0
    pool: str = ""
    result: str | None = None
    error: Failure | None = None
    delivery: int | None = None


@dataclass(slots=True)
class StepEnd:
    """The end of a step that is in the journal; ``attempt`` is the fence (``None``: a wait, which has no attempts)."""

    number: int
    state: str
    result: str | None = None
    error: Failure | None = None
    attempt: int | None = None
    delivery: int | None = None


@dataclass(slots=True)
class WorkflowEnd:
    """How a workflow ends."""

    state: str
    result: str | None = None
    error: Failure | None = None


@dataclass(slots=True)
class TurnRecord:
    """All that one turn changes, to be written at once.

    It holds only if nobody else took a turn meanwhile (``expected_delivered``); ``expected_version`` tells whether
    anything else was written, whose wake-up must then be kept. ``at`` is the time that the handler was told, so it is what
    replay must tell it again. ``deliveries`` are (number, delivery) of steps that
    ended before. ``next_due`` is the earliest instant at which one of the older waits is over.
    """

    workflow_id: UUID
    generation: int
    at: datetime
    expected_version: int
    expected_delivered: int
    delivered: int
    first: bool = False
    canceled_at_delivery: int | None = None
    step_ends: list[StepEnd] = field(default_factory=list)
    deliveries: list[tuple[int, int]] = field(default_factory=list)
    new_steps: list[NewStep] = field(default_factory=list)
    children: list[NewWorkflow] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    next_due: datetime | None = None
    grown_bytes: int = 0
    ending: WorkflowEnd | None = None


@dataclass(slots=True)
class ClaimedStep:
    """A step that this worker may run, until ``lease_ends_at`` or as long as it renews the lease.

    ``lost`` counts earlier attempts whose worker went away without a word.
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

    @property
    def lost(self) -> int:
        return self.attempt - 1 - len(self.failures)
