"""Places the bars of a timeline's rows, and says which rows belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .bars import STRENGTH, SegmentKind
from .rows import Row
from .timescale import Scale

#: A segment is never narrower, as a share of the width, so that it can be seen.
NARROWEST = 0.004


@dataclass(frozen=True, slots=True)
class Shape:
    """A piece of a bar: from ``x``, ``width`` wide, both as shares of the width."""

    kind: SegmentKind
    x: float
    width: float


def shapes(row: Row, scale: Scale) -> list[Shape]:
    """A row's segments in the order of drawing: what must be seen comes last."""
    found = []
    for segment in sorted(row.segments, key=lambda each: STRENGTH.index(each.kind)):
        left, right = scale.position(segment.start), scale.position(segment.end)
        width = max(right - left, NARROWEST)
        found.append(Shape(segment.kind, min(left, 1 - width), width))
    return found


class Bracket(StrEnum):
    """Where a row stands among those that one turn asked for together; ``NONE``: alone."""

    NONE = ""
    FIRST = "first"
    MIDDLE = "middle"
    LAST = "last"


def brackets(rows: Sequence[Row]) -> list[Bracket]:
    """For each row, whether it and its siblings before or after it were asked for at one instant, by a gather say."""
    latest: dict[tuple[int, ...], int] = {}
    follows, followed = [False] * len(rows), [False] * len(rows)
    for index, row in enumerate(rows):
        before = latest.get(row.path[:-1])
        latest[row.path[:-1]] = index
        if before is not None and rows[before].steps[-1].created_at == row.steps[0].created_at:
            follows[index] = followed[before] = True
    return [_BRACKETS[before, after] for before, after in zip(follows, followed, strict=True)]


_BRACKETS = {
    (False, False): Bracket.NONE,
    (False, True): Bracket.FIRST,
    (True, True): Bracket.MIDDLE,
    (True, False): Bracket.LAST,
}
