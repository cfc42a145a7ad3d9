"""Draws the bar of one step: which stretches of time it waited, was queued, ran, failed, or paused before a retry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .attempts import Attempt, AttemptState, StepHistory
from .journal import OPEN_STATES, StepKind, StepState


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


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a row's bar. One that takes no time is a mark."""

    kind: SegmentKind
    start: datetime
    end: datetime


def segments(step: StepHistory, now: datetime) -> tuple[Segment, ...]:
    """What became of a step over time, up to ``now`` if it has not ended."""
    return _of_one_attempt(step) or _drawn(step, now)


def _of_one_attempt(step: StepHistory) -> tuple[Segment, ...] | None:
    """What ``_drawn`` gives for a step that went well at once, in a third of the time: most steps of a long journal.

    ``None`` for any other, and where the clocks of several machines disagree.
    """
    if len(step.attempts) != 1:
        return None
    attempt = step.attempts[0]
    started, finished = attempt.started_at, attempt.finished_at
    if attempt.state != AttemptState.COMPLETED or started is None or finished is None or finished != step.finished_at:
        return None
    if not step.created_at <= attempt.queued_at <= started <= finished:
        return None
    ran = Segment(SegmentKind.RAN, started, finished)
    if step.created_at == started:
        return (ran,)
    waited = Segment(SegmentKind.WAITING, step.created_at, attempt.queued_at)
    queued = Segment(SegmentKind.QUEUED, attempt.queued_at, started)
    return (*(each for each in (waited, queued) if each.end > each.start), ran)


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


def _without_attempts(step: StepHistory) -> SegmentKind:
    if step.kind in (StepKind.EVENT, StepKind.SLEEP):
        return SegmentKind.WAITING
    if step.state in OPEN_STATES:
        return SegmentKind.RUNNING
    return SegmentKind.FAILED if step.state == StepState.FAILED else SegmentKind.RAN
