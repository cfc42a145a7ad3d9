"""Lays out what a workflow did over time: rows of segments, idle gaps collapsed, many siblings in one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .bars import busy
from .grouping import GROUP_SIZE, lines
from .rows import Rows
from .timescale import Scale, Span, collapsible, idle_gaps
from .traces import Told


@dataclass(frozen=True, slots=True)
class Timeline:
    """The layout: draw each segment from ``scale.position(start)`` to ``scale.position(end)``, of a width of 1.

    ``gaps`` are the idle stretches that the scale collapses.
    """

    whole: Span
    rows: Rows
    gaps: tuple[Span, ...]
    scale: Scale


def layout(
    steps: Sequence[Told],
    *,
    begun_at: datetime,
    finished_at: datetime | None,
    now: datetime,
    group_size: int | None = GROUP_SIZE,
) -> Timeline:
    """Lay out the steps of a workflow, given in order of number; ``group_size`` ``None`` gives each its own row."""
    whole = Span(begun_at, max(begun_at, finished_at or now))
    gaps = collapsible(whole, idle_gaps(whole, busy(steps, whole.end)))
    scale = Scale(whole, gaps)
    return Timeline(whole, Rows(list(lines(steps, group_size)), scale, whole.end), tuple(gaps), scale)


# -- durations for people


def human(duration: timedelta) -> str:
    """A duration in its one or two largest units: 412 ms, 1.5 s, 11 min 19 s, 3 h, 2 d 23 h; below nothing is 0 ms."""
    seconds = max(duration.total_seconds(), 0.0)
    if round(seconds * 1000) < 1000:
        return f"{round(seconds * 1000)} ms"
    if round(seconds * 10) < 600:
        return f"{seconds:.1f} s"
    total = int(seconds + 0.05)
    size, unit, small_size, small_unit = next(each for each in _UNITS if total >= each[0])
    large, rest = divmod(total, size)
    small = rest // small_size
    return f"{large:,} {unit}" + (f" {small} {small_unit}" if small else "")


_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
