"""What a turn adds to a journal: new steps and children, ends of steps, and the end of the workflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from .journal import Failure


@dataclass(slots=True)
class NewWorkflow:
    """A workflow to be stored. It begins after ``delay`` seconds, or at ``run_at``, or at once.

    ``scheduled_for`` is the time of the schedule that starts it.
    """

    id: UUID
    name: str
    args: str
    queue: str = ""
    priority: int = 0
    key: str | None = None
    idempotency_key: str | None = None
    on_complete: str = ""
    on_complete_seal: str = ""
    context: str | None = None
    parent: UUID | None = None
    parent_step: int | None = None
    depth: int = 0
    delay: float | None = None
    run_at: datetime | None = None
    retain_for: timedelta | None = None
    trace: str = ""
    scheduled_for: datetime | None = None
    captured: str | None = None


@dataclass(slots=True)
class NewStep:
    """A step to be stored. ``state`` RUNNING: who stores it, ``claimed_by``, runs it; ``lease`` is in seconds.

    ``reached``, of a failure that is handed over, is the number of the step that the function was to ask for next.
    """

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
    claimed_by: str = ""
    queue: str = ""
    priority: int = 0
    pool: str = ""
    lane: int = 0
    result: str | None = None
    error: Failure | None = None
    delivery: int | None = None
    reached: int | None = None


@dataclass(slots=True)
class StepEnd:
    """The end of a step that is in the journal; ``attempt`` is the fence (``None``: a wait, which has no attempts)."""

    number: int
    state: str
    result: str | None = None
    error: Failure | None = None
    attempt: int | None = None
    delivery: int | None = None
    reached: int | None = None


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
    anything else was written, whose wake-up must then be kept. ``at`` is the time that the handler was told, so it is
    what replay must tell it again. ``deliveries`` are (number, delivery, reached) of steps that ended before.
    ``next_due`` is the earliest instant at which one of the older waits is over. ``forced``: a request to cancel need
    not be told first. ``exact``: the journal was read without a lock, so the turn holds only if nothing at all was
    written since ``expected_version``.
    """

    workflow_id: UUID
    generation: int
    at: datetime
    expected_version: int
    expected_delivered: int
    delivered: int
    first: bool = False
    forced: bool = False
    exact: bool = False
    canceled_at_delivery: int | None = None
    step_ends: list[StepEnd] = field(default_factory=list)
    deliveries: list[tuple[int, int, int | None]] = field(default_factory=list)
    new_steps: list[NewStep] = field(default_factory=list)
    children: list[NewWorkflow] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    next_due: datetime | None = None
    grown_bytes: int = 0
    ending: WorkflowEnd | None = None
