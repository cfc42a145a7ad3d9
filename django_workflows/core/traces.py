"""A step as its row's own columns tell it, for journals that are too long to read each attempt of every step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, TypeAlias

from .attempts import Attempt, StepHistory
from .journal import FUNCTION_KINDS, Failure, StepState

#: The columns of a step's row that a trace is made of, in its order; the instants as ISO texts with their zone.
TRACE_COLUMNS = ("number", "kind", "name", "state", "attempt", "queue", "options")
TRACE_INSTANTS = ("created_at", "queued_at", "started_at", "finished_at", "due_at")


class Trace(NamedTuple):
    """A step and its last attempt, told by the attributes that ``StepHistory`` has.

    It is exact where there was one attempt at the most. Where ``tried_before``, the attempts before the last are known
    by their number only, and ``began_at`` is when the last one began.
    """

    number: int
    kind: str
    name: str
    state: str
    attempt: int
    queue: str
    options: str
    created_at: datetime
    queued_at: datetime
    began_at: datetime | None
    finished_at: datetime | None
    due_at: datetime | None
    tried_before: bool

    @property
    def history(self) -> StepHistory:
        """The same with its attempts, but for those of which nothing is known here."""
        fields = self._asdict()
        fields |= {"started_at": self.began_at, "failures": "[]", "error": None, "progress": "", "claimed_by": ""}
        return StepHistory.of(fields)

    @property
    def is_called(self) -> bool:
        """Whether it is a function that is called, and not a wait, a child or a mark in the journal."""
        return self.kind in FUNCTION_KINDS

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        return self.history.attempts

    @property
    def max_attempts(self) -> int:
        return 1 if self.options == "{}" else self.history.max_attempts

    @property
    def latest_attempt(self) -> int:
        if not self.is_called:
            return 0
        waits = self.state == StepState.QUEUED or (self.state == StepState.CANCELED and self.began_at is None)
        return self.attempt + 1 if waits else self.attempt

    @property
    def started_at(self) -> datetime | None:
        if self.began_at is not None and self.attempt and self.kind in FUNCTION_KINDS:
            return self.began_at
        return None if self.latest_attempt else self.created_at

    def ran(self, now: datetime) -> tuple[datetime, datetime] | None:
        """From when to when the last attempt ran, up to ``now`` if it still does.

        ``None`` if it did not yet, or where the clocks of several machines disagree.
        """
        began = self.began_at
        if began is None or not self.attempt or self.state == StepState.QUEUED or self.kind not in FUNCTION_KINDS:
            return None
        end = self.finished_at or now
        return (began, end) if self.created_at <= self.queued_at <= began <= end else None

    @property
    def failed_attempts(self) -> int:
        if not self.is_called:
            return 0
        if self.state == StepState.QUEUED:
            return self.attempt
        return self.attempt if self.state == StepState.FAILED else max(0, self.attempt - 1)

    @property
    def error(self) -> Failure | None:
        """It is not known here."""
        return None

    @property
    def progress(self) -> tuple[float, float | None, str] | None:
        """It is not known here."""
        return None

    @property
    def steps(self) -> tuple[StepHistory, ...]:
        return ()


#: A step of a timeline.
Told: TypeAlias = StepHistory | Trace


def traces(rows: Iterable[tuple[object, ...]]) -> Iterator[Trace]:
    """The traces of rows with ``TRACE_COLUMNS``, ``TRACE_INSTANTS`` and whether it was ``tried_before``."""
    # Ten thousand of them are read for one page: texts are read in a fraction of the driver's time.
    read = datetime.fromisoformat
    for number, kind, name, state, attempt, queue, options, created, queued, began, finished, due, before in rows:
        created_at = read(created)  # type: ignore[arg-type]
        yield Trace(
            number,  # type: ignore[arg-type]
            kind,  # type: ignore[arg-type]
            name,  # type: ignore[arg-type]
            state,  # type: ignore[arg-type]
            attempt,  # type: ignore[arg-type]
            queue,  # type: ignore[arg-type]
            options,  # type: ignore[arg-type]
            created_at,
            created_at if queued == created else read(queued),  # type: ignore[arg-type]
            None if began is None else read(began),  # type: ignore[arg-type]
            None if finished is None else read(finished),  # type: ignore[arg-type]
            None if due is None else read(due),  # type: ignore[arg-type]
            bool(before),
        )
