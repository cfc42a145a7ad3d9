"""Lays out what a workflow did over time: rows of segments, idle gaps collapsed, many siblings in one row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, groupby

from .attempts import StepHistory
from .bars import BUSY, STRENGTH, Segment, SegmentKind, segments
from .timescale import Scale, Span, collapsible, idle_gaps

#: So many siblings of one name share a row.
GROUP_SIZE = 10
#: How finely the row of a group is drawn, over the whole width.
_CELLS = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One step, or a group of siblings of one kind and name; ``steps`` are its members, in order.

    ``path`` is the number of the first one, after those of the steps that it is nested in. ``duration`` goes from the
    start of the first to the end of the last, or to now; ``None`` while nothing has started.
    """

    path: tuple[int, ...]
    steps: tuple[StepHistory, ...]
    duration: timedelta | None
    segments: tuple[Segment, ...]

    @property
    def number(self) -> int:
        return self.path[-1]

    @property
    def depth(self) -> int:
        """How many steps it is nested in."""
        return len(self.path) - 1

    @property
    def name(self) -> str:
        return self.steps[0].name

    @property
    def kind(self) -> str:
        return self.steps[0].kind

    @property
    def is_group(self) -> bool:
        return len(self.steps) > 1

    @property
    def attempts(self) -> int:
        return sum(len(step.attempts) for step in self.steps)

    @property
    def failed_attempts(self) -> int:
        return sum(step.failed_attempts for step in self.steps)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many members are in which state; completed and failed ones first."""
        found = Counter(step.state for step in self.steps)
        return {state: found[state] for state in _STATES if state in found}

    @property
    def state(self) -> str:
        """A group's is that of its liveliest member, and once all have ended that of its worst."""
        found = self.counts
        return next((state for state in _LIVELIEST if state in found), self.steps[0].state)


_STATES = ("completed", "failed", "canceled", "running", "queued", "waiting")
_LIVELIEST = ("running", "queued", "waiting", "failed", "canceled", "completed")


@dataclass(frozen=True, slots=True)
class Timeline:
    """The layout: draw each segment from ``scale.position(start)`` to ``scale.position(end)``, of a width of 1.

    ``gaps`` are the idle stretches that the scale collapses.
    """

    whole: Span
    rows: tuple[Row, ...]
    gaps: tuple[Span, ...]
    scale: Scale


@dataclass(frozen=True, slots=True)
class _Track:
    """A step with its segments, and those of the steps nested in it."""

    step: StepHistory
    segments: tuple[Segment, ...]
    nested: tuple[_Track, ...]


def layout(
    steps: Sequence[StepHistory],
    *,
    begun_at: datetime,
    finished_at: datetime | None,
    now: datetime,
    group_size: int | None = GROUP_SIZE,
) -> Timeline:
    """Lay out the steps of a workflow, given in order of number; ``group_size`` ``None`` gives each its own row."""
    whole = Span(begun_at, max(begun_at, finished_at or now))
    tracks = _tracks(steps, whole.end)
    gaps = collapsible(whole, idle_gaps(whole, _busy(tracks)))
    scale = Scale(whole, gaps)
    return Timeline(whole, tuple(_rows(tracks, (), group_size, scale, whole.end)), tuple(gaps), scale)


def _tracks(steps: Sequence[StepHistory], end: datetime) -> tuple[_Track, ...]:
    return tuple(_Track(step, segments(step, end), _tracks(step.steps, end)) for step in steps)


def _busy(tracks: Sequence[_Track]) -> Iterator[Span]:
    """When something ran. Of a child it is known where its steps are."""
    for track in tracks:
        if track.nested:
            yield from _busy(track.nested)
        else:
            yield from (Span(each.start, each.end) for each in track.segments if each.kind in BUSY)


# -- rows and groups


def _rows(
    tracks: Sequence[_Track], path: tuple[int, ...], size: int | None, scale: Scale, end: datetime
) -> Iterator[Row]:
    for members in _grouped(tracks, size):
        steps = tuple(track.step for track in members)
        first = members[0]
        bar = first.segments if len(members) == 1 else _merged(members, scale)
        here = (*path, first.step.number)
        yield Row(here, steps, _duration(steps, end), bar)
        if len(members) == 1:
            yield from _rows(first.nested, here, size, scale, end)


def _grouped(tracks: Sequence[_Track], size: int | None) -> list[list[_Track]]:
    """Siblings of one kind and name that were asked for in one turn, or one after the other, ``size`` at the least."""
    if size is None or len(tracks) < size:
        return [[track] for track in tracks]
    groups: list[list[_Track]] = []
    latest: dict[tuple[str, str], list[_Track]] = {}
    for track in tracks:
        key = (track.step.kind, track.step.name)
        group = latest.get(key)
        if group is None or not _siblings(group[-1].step, track.step):
            groups.append(group := [])
            latest[key] = group
        group.append(track)
    kept = [group for group in groups if len(group) >= size]
    alone = [[track] for group in groups if len(group) < size for track in group]
    return sorted(kept + alone, key=lambda group: group[0].step.number)


def _siblings(one: StepHistory, other: StepHistory) -> bool:
    # The steps that one turn asks for are written with one instant.
    return other.created_at == one.created_at or other.number == one.number + 1


def _duration(steps: Sequence[StepHistory], now: datetime) -> timedelta | None:
    starts = [step.started_at for step in steps if step.started_at is not None]
    if not starts:
        return None
    end = max(step.finished_at or now for step in steps)
    return max(end - min(starts), timedelta(0))


def _merged(tracks: Sequence[_Track], scale: Scale) -> tuple[Segment, ...]:
    """The bars of many steps in one, as fine as can be seen: wherever they differ the strongest kind."""
    changes = {kind: [0] * (_CELLS + 1) for kind in STRENGTH}
    for track in tracks:
        for segment in track.segments:
            first = min(int(scale.position(segment.start) * _CELLS), _CELLS - 1)
            last = min(max(int(scale.position(segment.end) * _CELLS), first + 1), _CELLS)
            changes[segment.kind][first] += 1
            changes[segment.kind][last] -= 1
    cells: list[SegmentKind | None] = [None] * _CELLS
    for kind in STRENGTH:
        for index, count in enumerate(accumulate(changes[kind][:-1])):
            if count:
                cells[index] = kind
    found, at = [], 0
    for merged, run in groupby(cells):
        start, at = at, at + sum(1 for _ in run)
        if merged is not None:
            found.append(Segment(merged, scale.instant(start / _CELLS), scale.instant(at / _CELLS)))
    return tuple(found)


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
