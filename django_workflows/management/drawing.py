"""Draws a timeline in characters: the axis, one line per row, and what the characters mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.bars import STRENGTH, Segment, SegmentKind
from ..core.rows import Row
from ..core.timeline import Timeline, human
from ..core.timescale import Span
from .texts import aligned, printable, short_name, width

_MEANINGS = {
    SegmentKind.QUEUED: "queued",
    SegmentKind.RAN: "ran",
    SegmentKind.RUNNING: "running",
    SegmentKind.FAILED: "failed",
    SegmentKind.BACKOFF: "back-off",
    SegmentKind.WAITING: "waiting",
}
_PRETTY = dict(zip(_MEANINGS, "·█▶✗╌~", strict=True))
_PLAIN = dict(zip(_MEANINGS, ".#>x-~", strict=True))
_PRETTY_GAP, _PLAIN_GAP = "┊", ":"
#: What an output must be able to show for a drawing that is not ``plain``.
CHARACTERS = _PRETTY_GAP + "".join(_PRETTY.values())
_LABEL = 32
_NARROWEST = 20


@dataclass(frozen=True)
class Line:
    """A line of the drawing; ``state`` is that of its row, "" for axis and legend."""

    text: str
    state: str = ""


def draw(timeline: Timeline, rows: Sequence[Row], *, columns: int, plain: bool) -> list[Line]:
    """``rows`` of ``timeline`` as lines of about ``columns``; ``plain`` keeps to ASCII."""
    labels = aligned([(_label(row), _duration(row)) for row in rows], right=[1], widest=_LABEL)
    indent = sum(width(cell) + 2 for cell in labels[0]) if labels else 0
    canvas = _Canvas(timeline, max(_NARROWEST, columns - indent), plain)
    lines = [Line(" " * indent + canvas.axis())]
    for row, (name, duration) in zip(rows, labels, strict=True):
        lines.append(Line(f"{name}  {duration}  {canvas.bar(row.segments)}", row.state))
    return [*lines, Line(canvas.legend(rows))]


def _label(row: Row) -> str:
    times = f" x {len(row.steps):,}" if row.is_group else ""
    return f"{'  ' * row.depth}{row.number} {printable(short_name(row.name))}{times}"


def _duration(row: Row) -> str:
    return "" if row.duration is None else human(row.duration)


class _Canvas:
    """Places instants in a line of ``size`` characters."""

    def __init__(self, timeline: Timeline, size: int, plain: bool) -> None:
        self._timeline, self._size = timeline, size
        self._characters: Mapping[SegmentKind, str] = _PLAIN if plain else _PRETTY
        self._empty = [" "] * size
        for gap in timeline.gaps:
            for cell in self._cells(gap):
                self._empty[cell] = _PLAIN_GAP if plain else _PRETTY_GAP

    def _cells(self, span: Span | Segment) -> range:
        """Those that ``span`` touches, and one at the least."""
        first = min(int(self._timeline.scale.position(span.start) * self._size), self._size - 1)
        end = round(self._timeline.scale.position(span.end) * self._size)
        return range(first, max(end, first + 1))

    def bar(self, segments: Sequence[Segment]) -> str:
        cells = list(self._empty)
        for segment in sorted(segments, key=lambda each: STRENGTH.index(each.kind)):
            for cell in self._cells(segment):
                cells[cell] = self._characters[segment.kind]
        return "".join(cells).rstrip()

    def axis(self) -> str:
        """How long each collapsed gap is, above it, and at the right how long it all took, if there is room."""
        text = "0"
        for gap in self._timeline.gaps:
            label, cells = f"<{human(gap.duration)}>", self._cells(gap)
            centred = (cells.start + cells.stop - len(label)) // 2
            start = min(max(centred, len(text) + 1), self._size - len(label))
            if start > len(text) and abs(start - centred) <= len(label):
                text = text.ljust(start) + label
        total = human(self._timeline.whole.duration)
        return text + (total.rjust(self._size - len(text)) if len(text) + len(total) < self._size else "")

    def legend(self, rows: Sequence[Row]) -> str:
        """What the characters that are used stand for."""
        used = {segment.kind for row in rows for segment in row.segments}
        known = [f"{self._characters[kind]} {meaning}" for kind, meaning in _MEANINGS.items() if kind in used]
        if self._timeline.gaps:
            known.append(f"{_PLAIN_GAP if self._characters is _PLAIN else _PRETTY_GAP} idle for <so long>")
        return "  ".join(known)
