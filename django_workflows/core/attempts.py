"""What became of each attempt of a step, and the step with all of them, for people to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .journal import FUNCTION_KINDS, Failure, StepState
from .progress import Progress, read_progress

LOST_TYPE = "django_workflows.exceptions.AttemptLost"

#: The columns of a step's row that ``StepHistory.of`` reads.
HISTORY_COLUMNS = (
    "number",
    "kind",
    "name",
    "state",
    "attempt",
    "failures",
    "error",
    "options",
    "progress",
    "queue",
    "claimed_by",
    "due_at",
    "created_at",
    "queued_at",
    "started_at",
    "finished_at",
)


class AttemptState(StrEnum):
    """Where an attempt stands. ``LOST``: its worker went away without a word."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    LOST = "lost"
    CANCELED = "canceled"


_ENDS = {
    StepState.COMPLETED: AttemptState.COMPLETED,
    StepState.FAILED: AttemptState.FAILED,
    StepState.CANCELED: AttemptState.CANCELED,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a step, numbered from 1; ``queued_at`` is when a worker could take it.

    Of a lost one nobody knows the end, and sometimes not the start.
    """

    number: int
    state: AttemptState
    queued_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class StepHistory:
    """A step and its attempts, oldest first; the last one may still be queued. Waits and children have no attempts.

    ``error`` is how it failed for good. ``progress`` is what its function reported.
    ``steps`` are those of a child workflow, where they are to be shown too.
    """

    number: int
    kind: str
    name: str
    state: str
    created_at: datetime
    finished_at: datetime | None = None
    due_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()
    error: Failure | None = None
    max_attempts: int = 1
    progress: Progress | None = None
    queue: str = ""
    claimed_by: str = ""
    steps: tuple[StepHistory, ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any], *, tracebacks: bool = False, steps: Sequence[StepHistory] = ()) -> StepHistory:
        """The history of a row with ``HISTORY_COLUMNS``; without ``tracebacks`` errors keep type and message only.

        What cannot be read in a row is left out: a journal that somebody damaged is looked at too.
        """
        error = read_failure(row["error"], tracebacks=tracebacks)
        attempts = tuple(_attempts(row, error, tracebacks)) if row["kind"] in FUNCTION_KINDS else ()
        return cls(
            number=row["number"],
            kind=row["kind"],
            name=row["name"],
            state=row["state"],
            created_at=row["created_at"],
            finished_at=row["finished_at"],
            due_at=row["due_at"],
            attempts=attempts,
            error=error,
            max_attempts=_max_attempts(row["options"]),
            progress=read_progress(row["progress"]),
            queue=row["queue"],
            claimed_by=row["claimed_by"],
            steps=tuple(steps),
        )

    @property
    def started_at(self) -> datetime | None:
        """When its first attempt began, or its wait; ``None`` while it is queued for the first time."""
        if not self.attempts:
            return self.created_at
        return next((each.started_at for each in self.attempts if each.started_at), None)

    @property
    def latest_attempt(self) -> int:
        """The number of the attempt that runs, comes or was the last; 0 for none."""
        return self.attempts[-1].number if self.attempts else 0

    @property
    def failed_attempts(self) -> int:
        """How many attempts failed or were lost."""
        return sum(each.state in (AttemptState.FAILED, AttemptState.LOST) for each in self.attempts)


def read_failure(text: str | None, *, tracebacks: bool = False) -> Failure | None:
    """An error as a row keeps it, with type and message, and its traceback if asked for; ``None`` if it is none."""
    return _failure(_loaded(text), tracebacks)


def _attempts(row: Mapping[str, Any], error: Failure | None, tracebacks: bool) -> Iterator[Attempt]:
    failures = _loaded(row["failures"])
    recorded = [each for each in failures if isinstance(each, dict)] if isinstance(failures, list) else []
    for index, failure in enumerate(recorded, 1):
        yield _recorded(index, failure, row["queued_at"], tracebacks)
    claims, queued = row["attempt"], row["state"] == StepState.QUEUED
    # A claim that only found out that the attempt before it was lost is no attempt.
    found_lost = row["state"] == StepState.FAILED and error is not None and error.type == LOST_TYPE
    lost_to = claims + 1 if queued else claims
    for number in range(len(recorded) + 1, lost_to):
        last = found_lost and number == lost_to - 1
        yield Attempt(number, AttemptState.LOST, row["queued_at"], None, row["started_at"], error if last else None)
    if queued or (row["started_at"] is None and row["state"] == StepState.CANCELED):
        state = AttemptState.QUEUED if queued else AttemptState.CANCELED
        yield Attempt(max(claims, len(recorded)) + 1, state, row["queued_at"], finished_at=row["finished_at"])
    elif claims > len(recorded) and not (found_lost and claims > 1):
        state = _ENDS.get(row["state"], AttemptState.RUNNING)
        yield Attempt(claims, state, row["queued_at"], row["started_at"], row["finished_at"], error)


def _recorded(number: int, failure: dict[str, Any], queued_at: datetime, tracebacks: bool) -> Attempt:
    error = _failure(failure, tracebacks)
    lost = error is not None and error.type == LOST_TYPE
    return Attempt(
        number=number,
        state=AttemptState.LOST if lost else AttemptState.FAILED,
        queued_at=_instant(failure.get("queued_at")) or queued_at,
        started_at=_instant(failure.get("started_at")),
        finished_at=_instant(failure.get("finished_at")),
        error=error,
    )


def _loaded(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def _failure(data: Any, tracebacks: bool) -> Failure | None:
    if not isinstance(data, dict):
        return None
    traceback = str(data.get("traceback", "")) if tracebacks else ""
    bases = data.get("bases")
    return Failure(
        type=str(data.get("type", "")),
        message=str(data.get("message", "")),
        bases=tuple(map(str, bases)) if isinstance(bases, list) else (),
        traceback=traceback,
        steps=_numbers(data.get("steps")),
        handled=_numbers(data.get("handled")),
    )


def _numbers(found: Any) -> tuple[int, ...]:
    return tuple(number for number in found if type(number) is int) if isinstance(found, list) else ()


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return None if found.tzinfo is None else found


def _max_attempts(options: str) -> int:
    # Most steps have no options, and ten thousand of them are to be read at once.
    data = _loaded(options) if options != "{}" else None
    retry = data.get("retry") if isinstance(data, dict) else None
    found = retry.get("max_attempts") if isinstance(retry, dict) else None
    return found if isinstance(found, int) else 1
