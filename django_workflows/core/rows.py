"""The rows of a timeline: one for each step, and one for many siblings of one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate, groupby
from typing import NamedTuple, TypeAlias, overload

from .attempts import StepHistory
from .bars import STRENGTH, Segment, SegmentKind, segments
from .timescale import Scale
from .traces import Told

#: How finely the row of a group is drawn, over the whole width.
_CELLS = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One step, or a group of siblings of one kind and name; ``steps`` are its members, in order.

    ``path`` is the number of the first one, after those of the steps that it is nested in. ``duration`` goes from the
    start of the first to the end of the last, or to now; ``None`` while nothing has started.
    """

    path: tuple[int, ...]
    steps: tuple[Told, ...]
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


class Nested(NamedTuple):
    """The path and the steps of a row."""

    path: tuple[int, ...]
    steps: Sequence[Told]


#: What a row is made of: a step that is nested in none, has none below it and shares its row with none, or the rest.
Line: TypeAlias = Told | Nested


class Rows(Sequence[Row]):
    """The rows of a timeline, each made when it is looked at: of a long journal a page shows a few."""

    def __init__(self, lines: Sequence[Line], scale: Scale, end: datetime) -> None:
        self._lines, self._scale, self._end = lines, scale, end

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        if isinstance(index, slice):
            return tuple(map(self._row, self._lines[index]))
        return self._row(self._lines[index])

    def part(self, start: int, stop: int) -> Rows:
        """Some of them, as slicing gives them, but not made yet."""
        return Rows(self._lines[start:stop], self._scale, self._end)

    def alone(self) -> list[int]:
        """The numbers of the steps that are nested in none and share their row with none."""
        return [step.number for step in map(_alone, self._lines) if step is not None]

    def members(self, number: int) -> Sequence[Told] | None:
        """The steps of the group whose first one is ``number``; ``None`` if there is no such group."""
        groups = (line.steps for line in self._lines if isinstance(line, Nested) and line.path == (number,))
        return next((steps for steps in groups if len(steps) > 1), None)

    def retold(self, known: Mapping[int, StepHistory]) -> Rows:
        """The same rows, for which of the steps that stand ``alone`` more is known, by number."""
        return Rows([_retold(line, known) for line in self._lines], self._scale, self._end)

    def _row(self, line: Line) -> Row:
        path, steps = line if isinstance(line, Nested) else ((line.number,), (line,))
        bar = segments(steps[0], self._end) if len(steps) == 1 else _merged(steps, self._scale, self._end)
        return Row(path, tuple(steps), _duration(steps, self._end), bar)


def _alone(line: Line) -> Told | None:
    if not isinstance(line, Nested):
        return line
    return line.steps[0] if len(line.path) == len(line.steps) == 1 else None


def _retold(line: Line, known: Mapping[int, StepHistory]) -> Line:
    step = _alone(line)
    found = None if step is None else known.get(step.number)
    if step is None or found is None:
        return line
    return Nested((step.number,), (replace(found, steps=step.steps),)) if step.steps else found


def _duration(steps: Sequence[Told], now: datetime) -> timedelta | None:
    starts = [step.started_at for step in steps if step.started_at is not None]
    if not starts:
        return None
    end = max(step.finished_at or now for step in steps)
    return max(end - min(starts), timedelta(0))


class _Cells(dict[datetime, int]):
    """The cell of each instant; many steps share theirs."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self._scale = scale

    def __missing__(self, instant: datetime) -> int:
        self[instant] = found = int(self._scale.position(instant) * _CELLS)
        return found


def _merged(steps: Sequence[Told], scale: Scale, end: datetime) -> tuple[Segment, ...]:
    """The bars of many steps in one, as fine as can be seen: wherever they differ the strongest kind."""
    changes = {kind: [0] * (_CELLS + 1) for kind in STRENGTH}
    cell = _Cells(scale)
    for step in steps:
        for kind, start, stop in segments(step, end):
            first = min(cell[start], _CELLS - 1)
            last = min(max(cell[stop], first + 1), _CELLS)
            changes[kind][first] += 1
            changes[kind][last] -= 1
    cells: list[SegmentKind | None] = [None] * _CELLS
    for kind in STRENGTH:
        for index, count in enumerate(accumulate(changes[kind][:-1])):
            if count:
                cells[index] = kind
    found, at = [], 0
    for merged, run in groupby(cells):
        begun, at = at, at + sum(1 for _ in run)
        if merged is not None:
            found.append(Segment(merged, scale.instant(begun / _CELLS), scale.instant(at / _CELLS)))
    return tuple(found)
