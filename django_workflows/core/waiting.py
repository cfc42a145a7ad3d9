"""What an unfinished workflow waits for, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .blocked import Blocked
from .journal import OPEN_STATES, StepKind, StepState
from .traces import Told


class WaitKind(StrEnum):
    """What is waited for.

    ``WORKER``: one that takes the next turn or the step; ``PLACE``: one in the pool of the step, whose limits
    are reached; ``SILENT``: the step's worker has let its lease run out; ``BLOCKED``: the workflow is blocked.
    """

    BLOCKED = "blocked"
    START = "start"
    WORKER = "worker"
    PLACE = "place"
    STEP = "step"
    SILENT = "silent"
    RETRY = "retry"
    SCHEDULE = "schedule"
    EVENT = "event"
    TIMER = "timer"
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that is waited for; ``count`` steps of one name wait alike, the first of them is ``number``.

    ``number`` is ``None`` where it is no step. ``name`` is the step's, or the message of what is ``blocked``. ``until``
    is when the first of them is over or looked at again, ``None`` if nobody knows. ``attempt`` (of ``max_attempts``) is
    the one that runs or comes.
    """

    kind: WaitKind
    number: int | None = None
    name: str = ""
    until: datetime | None = None
    attempt: int = 0
    max_attempts: int = 1
    queue: str = ""
    count: int = 1
    blocked: Blocked | None = None


def waits(
    steps: Iterable[Told],
    *,
    blocked: Blocked | None,
    started_at: datetime | None,
    due_at: datetime | None,
    queue: str,
    now: datetime,
) -> list[Wait]:
    """What a workflow in progress waits for: the workflow's own matter first, then its open steps, in order."""
    alike: dict[tuple[WaitKind, str], list[Told]] = {}
    for step in steps:
        if step.state in OPEN_STATES:
            alike.setdefault((_kind(step, now), step.name), []).append(step)
    found = [_together(kind, members) for (kind, _name), members in alike.items()]
    own: list[Wait] = []
    if blocked is not None:
        own.append(Wait(WaitKind.BLOCKED, name=blocked.message, until=due_at, blocked=blocked))
    elif started_at is None and due_at is not None and due_at > now:
        own.append(Wait(WaitKind.START, until=due_at))
    elif started_at is None or not found or (due_at is not None and due_at <= now):
        own.append(Wait(WaitKind.WORKER, queue=queue))
    return own + found


def _together(kind: WaitKind, alike: Sequence[Told]) -> Wait:
    first = alike[0]
    ends = (step.due_at for step in alike if step.state != StepState.RUNNING and step.due_at is not None)
    return Wait(
        kind=kind,
        number=first.number,
        name=first.name,
        until=min(ends, default=None),
        attempt=first.latest_attempt,
        max_attempts=first.max_attempts,
        queue=first.queue,
        count=len(alike),
    )


def _kind(step: Told, now: datetime) -> WaitKind:
    later = step.due_at is not None and step.due_at > now
    if step.state == StepState.RUNNING:
        return WaitKind.STEP if later or step.due_at is None else WaitKind.SILENT
    if step.state == StepState.QUEUED:
        if not later:
            return WaitKind.PLACE if step.due_at is None else WaitKind.WORKER
        return WaitKind.RETRY if step.failed_attempts else WaitKind.SCHEDULE
    return _WAITED.get(step.kind, WaitKind.CHILD)


_WAITED: dict[str, WaitKind] = {StepKind.EVENT: WaitKind.EVENT, StepKind.SLEEP: WaitKind.TIMER}
