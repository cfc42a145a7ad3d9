"""The rows of the timeline's table, ready for the template."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ...core.axis import Mark, legible, marks
from ...core.bars import SegmentKind
from ...core.journal import StepKind
from ...core.rows import Row
from ...core.shapes import Shape, brackets, shapes
from ...core.svg import GLYPHS
from ...core.timeline import Timeline, human
from ...words.sentences import progress_words, state_words
from ...words.texts import printable, short_name
from ..site import page_link
from .selection import Selected, Selection
from .shown import Shown

#: What is left of a name that is longer.
NAME = 80
DEEPEST = 5

KINDS = {
    StepKind.QUERY: gettext_lazy("query"),
    StepKind.MUTATION: gettext_lazy("mutation"),
    StepKind.ACTION: gettext_lazy("action"),
    StepKind.WORKFLOW: gettext_lazy("child workflow"),
    StepKind.EVENT: gettext_lazy("event"),
    StepKind.SLEEP: gettext_lazy("timer"),
    StepKind.CREATE_EVENT: gettext_lazy("created event"),
    StepKind.PATCH: gettext_lazy("patch"),
}


@dataclass(frozen=True)
class Bar:
    """A piece of a bar in percent; texts, since a template would write a decimal comma where that is usual."""

    kind: str
    x: str
    width: str
    y: str
    height: str


@dataclass(frozen=True)
class Line:
    """A row. ``url`` leads to the members of a group; ``fold_url`` hides or shows the steps of a child."""

    anchor: str
    number: str
    title: str
    full_name: str
    glyph: str
    kind: str
    depth: int
    bracket: str
    state: str
    words: str
    duration: str
    began: str
    attempts: str
    count: str
    progress: str
    bars: list[Bar]
    url: str = ""
    fold_url: str = ""
    folded: bool = False
    child_url: str = ""


def lines(found: Shown, selected: Selected, wanted: Selection) -> list[Line]:
    """The rows of a page."""
    bracketed = zip(found.rows, brackets(found.rows), strict=True)
    return [_line(found, selected, wanted, row, str(bracket)) for row, bracket in bracketed]


def _line(found: Shown, selected: Selected, wanted: Selection, row: Row, bracket: str) -> Line:
    child = found.children.get(row.number) if row.depth == 0 and not row.is_group else None
    name = printable(row.name)
    return Line(
        anchor="step-" + "-".join(map(str, row.path)),
        number=".".join(map(str, row.path)),
        title=short_name(name)[:NAME],
        full_name=name,
        glyph=GLYPHS.get(row.kind, "·"),
        kind=str(KINDS.get(row.kind, row.kind)),  # type: ignore[call-overload]
        depth=min(row.depth, DEEPEST),
        bracket=bracket,
        state=row.state,
        words=_words(row),
        duration="" if row.duration is None else human(row.duration),
        began=_began(selected.timeline, row),
        attempts=_attempts(row),
        count=f"{len(row.steps):,}",
        progress="" if row.is_group else progress_words(row.steps[0]),
        bars=[_bar(shape) for shape in shapes(row, selected.timeline.scale)],
        url=wanted.query(group=row.number, page=1) + "#timeline" if row.is_group and row.depth == 0 else "",
        fold_url=_fold_url(row, wanted, child),
        folded=row.number in wanted.folded,
        child_url="" if child is None else page_link(child),
    )


def _words(row: Row) -> str:
    if not row.is_group:
        return state_words(row.state)
    return ", ".join(
        f"{count:,} {_('ok') if state == 'completed' else state_words(state)}" for state, count in row.counts.items()
    )


def _began(timeline: Timeline, row: Row) -> str:
    starts = [step.started_at for step in row.steps if step.started_at is not None]
    return "" if not starts else f"+{human(min(starts) - timeline.whole.start)}"


def _attempts(row: Row) -> str:
    if not row.failed_attempts:
        return ""
    text = ngettext("%(count)s failed attempt", "%(count)s failed attempts", row.failed_attempts)
    return text % {"count": f"{row.failed_attempts:,}"}


def _fold_url(row: Row, wanted: Selection, child: UUID | None) -> str:
    has_steps = bool(row.steps[0].steps) or row.number in wanted.folded
    return f"{wanted.toggled(row.number)}#step-{row.number}" if child is not None and has_steps else ""


#: Of the height of 16: where a shape begins, and how high it is.
_HEIGHTS: dict[SegmentKind, tuple[float, float]] = {
    SegmentKind.QUEUED: (6.5, 3),
    SegmentKind.BACKOFF: (7.25, 1.5),
    SegmentKind.WAITING: (3, 10),
}


def _bar(shape: Shape) -> Bar:
    y, height = _HEIGHTS.get(shape.kind, (2, 12))
    return Bar(shape.kind.value, percent(shape.x), percent(shape.width), f"{y:g}", f"{height:g}")


def percent(share: float) -> str:
    return f"{share * 100:.3f}%"


@dataclass(frozen=True)
class Tick:
    """A mark of the axis, or (with a width) a collapsed gap."""

    x: str
    width: str
    middle: str
    label: str
    is_gap: bool
    anchor: str


def ticks(timeline: Timeline) -> list[Tick]:
    """The axis; of labels that would lie over each other one is left out."""
    all_marks = marks(timeline)
    shown = legible(all_marks, lambda mark: _ROOM)
    return [_tick(mark, mark in shown) for mark in all_marks]


def _tick(mark: Mark, shown: bool) -> Tick:
    anchor = "start" if mark.middle < _ROOM / 2 else "end" if mark.middle > 1 - _ROOM / 2 else "middle"
    x = {"start": 0.0, "end": 1.0}.get(anchor, mark.middle)
    label = mark.label if shown else ""
    return Tick(percent(mark.position), percent(mark.width), percent(x), label, mark.is_gap, anchor)


#: A label takes about this share of the width.
_ROOM = 0.1

LEGEND = {
    SegmentKind.QUEUED: gettext_lazy("queued"),
    SegmentKind.RAN: gettext_lazy("ran"),
    SegmentKind.RUNNING: gettext_lazy("running"),
    SegmentKind.FAILED: gettext_lazy("failed"),
    SegmentKind.BACKOFF: gettext_lazy("pause before the next attempt"),
    SegmentKind.WAITING: gettext_lazy("waiting"),
}


def legend(found: Iterable[Line]) -> Iterator[tuple[str, str, Bar]]:
    """What the shapes on the page mean."""
    used = {bar.kind for line in found for bar in line.bars}
    for kind, words in LEGEND.items():
        if kind.value in used:
            yield kind.value, str(words), _bar(Shape(kind, 0.0, 1.0))
