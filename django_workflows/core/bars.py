"""Draws the bar of one step: which stretches of time it waited, was queued, ran, failed, or paused before a retry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from .attempts import Attempt, AttemptState, StepHistory
from .journal import OPEN_STATES, StepKind, StepState
from .traces import Told, Trace


class SegmentKind(StrEnum):
    """What goes on in a segment. ``BACKOFF`` is the pause before another attempt."""

    WAITING = "waiting"
    BACKOFF = "backoff"
    QUEUED = "queued"
    RAN = "ran"
    RUNNING = "running"
    FAILED = "failed"


#: Weakest first: where several share a place, the last of them is seen.
STRENGTH = tuple(SegmentKind)
BUSY = frozenset({SegmentKind.RAN, SegmentKind.RUNNING, SegmentKind.FAILED})


class Segment(NamedTuple):
    """A piece of a row's bar. One that takes no time is a mark."""

    kind: SegmentKind
    start: datetime
    end: datetime


def segments(step: Told, now: datetime) -> tuple[Segment, ...]:
    """What became of a step over time, up to ``now`` if it has not ended."""
    if isinstance(step, Trace):
        return _of_trace(step, now) or _drawn(step.history, now)
    return _drawn(step, now)


def busy(steps: Iterable[Told], now: datetime) -> list[tuple[datetime, datetime]]:
    """From when to when something ran, as the bars show it. Of a child it is known where its steps are."""
    found: list[tuple[datetime, datetime]] = []
    for step in steps:
        if isinstance(step, Trace) and (ran := step.ran(now)):
            found.append(ran)
        elif step.steps:
            found += busy(step.steps, now)
        else:
            found += [(start, end) for kind, start, end in segments(step, now) if kind in BUSY]
    return found


def _of_trace(step: Trace, now: datetime) -> tuple[Segment, ...] | None:
    """What ``_drawn`` gives, in a tenth of the time: a journal may have ten thousand of them.

    ``None`` where the clocks of several machines disagree. Attempts before the last are one failed stretch.
    """
    created, queued = step.created_at, step.queued_at
    before = SegmentKind.FAILED if step.tried_before else SegmentKind.WAITING
    if (ran := step.ran(now)) is not None:
        last = Segment(_ENDED.get(step.state, SegmentKind.RUNNING), *ran)
        if created == last.start:
            return (last,)
        waited = Segment(before, created, queued), Segment(SegmentKind.QUEUED, queued, last.start)
        return (*_with_length(waited), last)
    end = step.finished_at or now
    if end < created or queued < created:
        return None
    if not step.latest_attempt:
        return (Segment(_without_attempts(step), created, end),)
    if step.began_at is not None and step.state != StepState.QUEUED:
        return None
    middle = min(queued, end)
    return _with_length((Segment(before, created, middle), Segment(SegmentKind.QUEUED, middle, end)))


def _with_length(found: Iterable[Segment]) -> tuple[Segment, ...]:
    return tuple([each for each in found if each.end > each.start])


_ENDED: dict[str, SegmentKind] = {
    StepState.COMPLETED: SegmentKind.RAN,
    StepState.FAILED: SegmentKind.FAILED,
    StepState.CANCELED: SegmentKind.RAN,
}


def _drawn(step: StepHistory, now: datetime) -> tuple[Segment, ...]:
    bar = _Bar(step.created_at, step.finished_at or now)
    if not step.attempts:
        bar.mark(_without_attempts(step), bar.end)
    for index, attempt in enumerate(step.attempts):
        bar.until(SegmentKind.BACKOFF if index else SegmentKind.WAITING, attempt.queued_at)
        _add_attempt(bar, attempt, step.attempts[index + 1 :])
    return tuple(bar.segments)


class _Bar:
    """Draws from left to right, and never backwards, whatever the clocks of several machines said."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.at, self.end = start, max(start, end)
        self.segments: list[Segment] = []

    def until(self, kind: SegmentKind, instant: datetime) -> None:
        if instant > self.at:
            self.mark(kind, instant)

    def mark(self, kind: SegmentKind, instant: datetime) -> None:
        """As ``until``, and to be seen even if it took no time."""
        stop = min(max(instant, self.at), self.end)
        self.segments.append(Segment(kind, self.at, stop))
        self.at = stop


def _add_attempt(bar: _Bar, attempt: Attempt, later: Sequence[Attempt]) -> None:
    if attempt.started_at is None and attempt.state != AttemptState.LOST:
        bar.until(SegmentKind.QUEUED, bar.end)
        return
    if attempt.started_at is not None:
        bar.until(SegmentKind.QUEUED, attempt.started_at)
    known_end = attempt.finished_at or next((each.started_at for each in later if each.started_at), None)
    bar.mark(_ATTEMPTED.get(attempt.state, SegmentKind.RAN), known_end or bar.end)


_ATTEMPTED = {
    AttemptState.RUNNING: SegmentKind.RUNNING,
    AttemptState.FAILED: SegmentKind.FAILED,
    AttemptState.LOST: SegmentKind.FAILED,
}


def _without_attempts(step: Told) -> SegmentKind:
    if step.kind in (StepKind.EVENT, StepKind.SLEEP):
        return SegmentKind.WAITING
    if step.state in OPEN_STATES:
        return SegmentKind.RUNNING
    return SegmentKind.FAILED if step.state == StepState.FAILED else SegmentKind.RAN
