"""Draws a timeline as a picture of its own, for tickets and chat: SVG with nothing in it that runs or is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from .axis import Mark, legible, marks
from .bars import SegmentKind
from .journal import StepKind
from .lettering import columns, cut, readable
from .rows import Row
from .shapes import Bracket, Shape, brackets, shapes
from .themes import LIGHT, Theme
from .timeline import Timeline, human

#: Of more rows than this, the first ones are drawn, and how many are missing is said.
ROWS = 200
_ROW, _BAR, _MARGIN, _HEADING = 24, 12, 20, 66
_NAME_COLUMNS, _STATE_COLUMNS, _FONT = (
    36,
    11,
    "font-family=\"system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif\"",
)


#: What stands for a kind of step, beside its name.
GLYPHS: dict[str, str] = {
    StepKind.QUERY: "?",
    StepKind.MUTATION: "✎",
    StepKind.ACTION: "ƒ",
    StepKind.WORKFLOW: "⤷",
    StepKind.EVENT: "✉",
    StepKind.SLEEP: "◷",
}


def picture(
    timeline: Timeline,
    *,
    title: str,
    state: str,
    theme: Theme = LIGHT,
    translate: Callable[[str], str] = str,
    width: int = 1000,
    most: int = ROWS,
) -> str:
    """A whole SVG document of ``width`` pixels: heading, axis, a line per row, and what the shapes mean.

    ``title`` and ``state`` (of the workflow) make the heading; ``most`` bounds the rows. States and the words of the
    legend go through ``translate``. Names are foreign texts: they are shortened and escaped.
    """
    return _Picture(timeline, timeline.rows[:most], theme, translate, width).document(title, state)


class _Picture:
    def __init__(
        self, timeline: Timeline, rows: Sequence[Row], theme: Theme, translate: Callable[[str], str], width: int
    ) -> None:
        self._timeline, self._rows, self._theme, self._translate = timeline, rows, theme, translate
        self._width, self._left = width, min(440, width // 2)
        self._span = width - _MARGIN - self._left
        self._foot = _HEADING + _ROW * len(rows)

    def document(self, title: str, state: str) -> str:
        height = self._foot + 52
        standing = f"{self._translate(state.replace('_', ' '))}, {human(self._timeline.whole.duration)}"
        words = f"{readable(title)}: {standing}"
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self._width}" height="{height}" '
            f'viewBox="0 0 {self._width} {height}" role="img" aria-label={quoteattr(words)} {_FONT} font-size="12">'
        )
        hatch = (
            '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><rect width="2" height="5" fill="{self._theme.failed}"/></pattern></defs>'
        )
        parts = [
            head,
            f"<title>{escape(words)}</title>",
            hatch,
            f'<rect width="100%" height="100%" fill="{self._theme.paper}"/>',
            self._text(_MARGIN, 24, cut(title, 90), size=15, weight=600),
            self._text(self._width - _MARGIN, 24, standing, anchor="end", fill=self._theme.quiet),
            *self._axis(),
        ]
        for index, (row, bracket) in enumerate(zip(self._rows, brackets(self._rows), strict=True)):
            parts += self._row(row, bracket, _HEADING + index * _ROW)
        return "\n".join([*parts, *self._legend(), "</svg>\n"])

    def _text(
        self, x: float, y: float, text: str, *, size: int = 12, weight: int = 400, anchor: str = "start", fill: str = ""
    ) -> str:
        return (
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
            f'fill="{fill or self._theme.text}">{escape(readable(text))}</text>'
        )

    def _line(self, x1: float, y1: float, x2: float, y2: float, color: str, extra: str = "") -> str:
        return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"{extra}/>'

    # -- above the rows

    def _axis(self) -> Iterator[str]:
        found = marks(self._timeline)
        for mark in found:
            yield from self._ruled(mark)
        for mark in legible(found, lambda mark: (columns(mark.label) * 6.5 + 6) / self._span):
            x, room = self._left + mark.middle * self._span, columns(mark.label) * 6.5
            start = min(max(x - room / 2, self._left), self._width - _MARGIN - room)
            yield self._text(start, _HEADING - 12, mark.label, size=11, fill=self._theme.quiet)

    def _ruled(self, mark: Mark) -> Iterator[str]:
        x, top, height = self._left + mark.position * self._span, _HEADING - 6, self._foot - _HEADING + 6
        if not mark.is_gap:
            yield self._line(x, top, x, self._foot, self._theme.line)
            return
        width = mark.width * self._span
        yield f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{height}" fill="{self._theme.gap}"/>'
        for edge in (x, x + width):
            yield self._line(edge, top, edge, self._foot, self._theme.queued, ' stroke-dasharray="2 3"')

    # -- rows

    def _row(self, row: Row, bracket: Bracket, top: int) -> Iterator[str]:
        base, indent = top + 16, _MARGIN + 8 + 14 * min(row.depth, 6)
        yield self._line(_MARGIN, top, self._width - _MARGIN, top, self._theme.line)
        if bracket:
            from_y = top + 12 if bracket is Bracket.FIRST else top
            to_y = top + 12 if bracket is Bracket.LAST else top + _ROW
            yield self._line(indent - 8, from_y, indent - 8, to_y, self._theme.queued, ' stroke-width="2"')
        yield self._text(indent, base, GLYPHS.get(row.kind, "·"), fill=self._theme.quiet)
        state = self._state(row)
        yield self._text(indent + 16, base, self._label(row, max(0, columns(state) - _STATE_COLUMNS)))
        yield self._text(self._left - 86, base, state, anchor="end", fill=self._color(row.state))
        if row.duration is not None:
            yield self._text(self._left - 12, base, human(row.duration), anchor="end", fill=self._theme.quiet)
        for shape in shapes(row, self._timeline.scale):
            yield from self._shape(shape, top + (_ROW - _BAR) / 2)

    def _label(self, row: Row, taken: int) -> str:
        """The name, with what room the indent and the state leave it."""
        times = f" \N{MULTIPLICATION SIGN} {len(row.steps):,}" if row.is_group else ""
        return cut(row.name, max(8, _NAME_COLUMNS - 2 * min(row.depth, 6) - len(times) - taken)) + times

    def _state(self, row: Row) -> str:
        if row.is_group:
            counted = (f"{count:,} {self._translate(state)}" for state, count in row.counts.items())
            return ", ".join(counted)
        again = f"{row.failed_attempts}✗ " if row.failed_attempts else ""
        return f"{again}{self._translate(row.state)}"

    def _color(self, state: str) -> str:
        theme = self._theme
        known = {"completed": theme.ran, "running": theme.running, "failed": theme.failed, "waiting": theme.waiting}
        return known.get(state, theme.quiet)

    def _shape(self, shape: Shape, y: float) -> Iterator[str]:
        x, width = self._left + shape.x * self._span, max(shape.width * self._span, 2.0)
        yield from self._rects(shape.kind, x, y, width)

    def _rects(self, kind: SegmentKind, x: float, y: float, width: float) -> Iterator[str]:
        yield _rect(x, y, width, _styles(self._theme)[kind])
        if kind is SegmentKind.RUNNING:
            yield _rect(x, y, width, (0.17, f'fill="{self._theme.paper}"'))

    # -- below them

    def _legend(self) -> Iterator[str]:
        yield self._line(_MARGIN, self._foot, self._width - _MARGIN, self._foot, self._theme.line)
        missing = len(self._timeline.rows) - len(self._rows)
        if missing:
            yield self._text(_MARGIN, self._foot + 18, f"… {missing:,} {self._translate('more')}")
        used = {segment.kind for row in self._rows for segment in row.segments}
        x = float(_MARGIN)
        for kind, word in LEGEND.items():
            if kind in used:
                translated = self._translate(word)
                yield from self._rects(kind, x, self._foot + 28, 22)
                yield self._text(x + 28, self._foot + 38, translated, size=11, fill=self._theme.quiet)
                x += 44 + columns(translated) * 6.5


LEGEND = {
    SegmentKind.QUEUED: "queued",
    SegmentKind.RAN: "ran",
    SegmentKind.RUNNING: "running",
    SegmentKind.FAILED: "failed",
    SegmentKind.BACKOFF: "pause before the next attempt",
    SegmentKind.WAITING: "waiting",
}


def _styles(theme: Theme) -> dict[SegmentKind, tuple[float, str]]:
    """Height as a share of the bar's, and how it is filled."""
    return {
        SegmentKind.QUEUED: (0.25, f'fill="{theme.queued}"'),
        SegmentKind.RAN: (1.0, f'rx="2" fill="{theme.ran}"'),
        SegmentKind.RUNNING: (1.0, f'rx="2" fill="{theme.running}"'),
        SegmentKind.FAILED: (1.0, f'rx="2" fill="url(#hatch)" stroke="{theme.failed}"'),
        SegmentKind.BACKOFF: (0.12, f'fill="{theme.failed}"'),
        SegmentKind.WAITING: (0.8, f'rx="2" fill="none" stroke="{theme.waiting}" stroke-dasharray="4 3"'),
    }


def _rect(x: float, y: float, width: float, style: tuple[float, str]) -> str:
    share, fill = style
    height = _BAR * share
    return f'<rect x="{x:.1f}" y="{y + (_BAR - height) / 2:.1f}" width="{width:.1f}" height="{height:.1f}" {fill}/>'
