"""Where an instant lies on a timeline on which long idle gaps take little room."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

#: With less than this share of the time busy, the bars would be too short to see.
BUSY_SHARE = 0.1
#: A shorter gap is left as it is, whatever share it has.
SHORTEST_GAP = timedelta(seconds=1)
#: The share of the width that one collapsed gap takes, and all of them at the most.
GAP_WIDTH, GAPS_WIDTH = 0.08, 0.4


class Span(NamedTuple):
    """A stretch of time."""

    start: datetime
    end: datetime

    @property
    def duration(self) -> timedelta:
        return self.end - self.start


def idle_gaps(whole: Span, busy: Iterable[tuple[datetime, datetime]]) -> list[Span]:
    """The stretches of ``whole`` in which nothing is busy, in order; ``busy`` are pairs of a start and an end."""
    gaps, at = [], whole.start
    for start, end in sorted(busy):
        if start > at:
            gaps.append(Span(at, min(start, whole.end)))
        if end > at:
            at = end
            if at >= whole.end:
                return gaps
    return [*gaps, Span(at, whole.end)]


def collapsible(whole: Span, gaps: Sequence[Span]) -> list[Span]:
    """Which of the idle ``gaps`` to collapse, so that what is busy can be seen.

    Where less than ``BUSY_SHARE`` of the time is busy, these are the gaps that are longer than all the busy time
    together; where more is, or nothing at all, there are none.
    """
    busy = whole.duration - sum((gap.duration for gap in gaps), timedelta(0))
    if not timedelta(0) < busy < BUSY_SHARE * whole.duration:
        return []
    return [gap for gap in gaps if gap.duration > max(busy, SHORTEST_GAP)]


class Scale:
    """Maps the instants of ``whole`` to positions from 0 to 1 and back; each of ``gaps`` takes the same small width."""

    def __init__(self, whole: Span, gaps: Sequence[Span] = ()) -> None:
        width = min(GAP_WIDTH, GAPS_WIDTH / len(gaps)) if gaps else 0.0
        shown = whole.duration - sum((gap.duration for gap in gaps), timedelta(0))
        per_second = (1.0 - width * len(gaps)) / (shown.total_seconds() or 1.0)
        self._instants, self._positions = [whole.start], [0.0]
        for gap in gaps:
            self._add(gap.start, (gap.start - self._instants[-1]).total_seconds() * per_second)
            self._add(gap.end, width)
        self._add(whole.end, 1.0 - self._positions[-1])

    def _add(self, instant: datetime, width: float) -> None:
        self._instants.append(instant)
        self._positions.append(self._positions[-1] + width)

    def position(self, instant: datetime) -> float:
        """Where ``instant`` lies; before the start is 0, after the end 1."""
        if instant <= self._instants[0]:
            return 0.0
        if instant >= self._instants[-1]:
            return 1.0
        index = bisect_right(self._instants, instant) - 1
        start, end = self._instants[index], self._instants[index + 1]
        left, right = self._positions[index], self._positions[index + 1]
        return left + (right - left) * ((instant - start) / (end - start))

    def instant(self, position: float) -> datetime:
        """The instant at ``position``."""
        index = min(max(bisect_right(self._positions, position) - 1, 0), len(self._positions) - 2)
        start, end = self._instants[index], self._instants[index + 1]
        left, right = self._positions[index], self._positions[index + 1]
        share = (position - left) / (right - left) if right > left else 0.0
        return start + (end - start) * min(max(share, 0.0), 1.0)
