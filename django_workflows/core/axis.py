"""What stands above a timeline: how much time has passed at which position, and how long the collapsed gaps are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from .timeline import Timeline, human
from .timescale import Span

#: Two marks are at least this far apart, as a share of the width.
DISTANCE = 0.11
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
_LARGER = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)


@dataclass(frozen=True, slots=True)
class Mark:
    """A label at a position from 0 to 1; ``width`` and ``seconds`` are those of a gap, 0 for an instant."""

    position: float
    label: str
    width: float = 0.0
    seconds: float = 0.0

    @property
    def is_gap(self) -> bool:
        return self.width > 0

    @property
    def middle(self) -> float:
        return self.position + self.width / 2


def marks(timeline: Timeline) -> list[Mark]:
    """Gaps with their length, and round times between them, from left to right.

    Times count from the beginning: ``5 s``; after a gap from its end: ``+5 s``.
    """
    found: list[Mark] = []
    step = _step(timeline)
    for index, stretch in enumerate(_stretches(timeline)):
        if index:
            gap = timeline.gaps[index - 1]
            left, right = timeline.scale.position(gap.start), timeline.scale.position(gap.end)
            found.append(Mark(left, human(gap.duration), right - left, gap.duration.total_seconds()))
        found += _instants(timeline, stretch, step, "+" if index else "")
    return found


def _stretches(timeline: Timeline) -> Iterator[Span]:
    """What is between the gaps; empty where a gap begins or ends the timeline."""
    start = timeline.whole.start
    for gap in timeline.gaps:
        yield Span(start, gap.start)
        start = gap.end
    yield Span(start, timeline.whole.end)


def _step(timeline: Timeline) -> timedelta:
    """A round duration that takes ``DISTANCE`` of the width at the least."""
    shown = timeline.whole.duration - sum((gap.duration for gap in timeline.gaps), timedelta(0))
    least = shown.total_seconds() * DISTANCE
    sizes = (*_SECONDS, *_LARGER)
    return timedelta(seconds=next((size for size in sizes if size >= least), least))


def _instants(timeline: Timeline, stretch: Span, step: timedelta, sign: str) -> Iterator[Mark]:
    if not sign and stretch.duration > timedelta(0):
        yield Mark(0.0, "0")
    # Never more than the width has room for, whatever the durations are.
    for count in range(1, int(1 / DISTANCE) + 2):
        instant = stretch.start + count * step
        if step <= timedelta(0) or instant > stretch.end:
            return
        yield Mark(timeline.scale.position(instant), f"{sign}{_round(count * step)}")


def _round(duration: timedelta) -> str:
    return human(duration).replace(".0 s", " s")


def legible(found: Sequence[Mark], room: Callable[[Mark], float]) -> list[Mark]:
    """The marks whose labels can stand side by side, long gaps before others; ``room`` is what one takes, of 1."""
    taken: list[tuple[float, float]] = []
    kept: list[Mark] = []
    for mark in sorted(found, key=lambda mark: -mark.seconds):
        width = room(mark)
        left = min(max(mark.middle - width / 2, 0.0), 1.0 - width)
        if all(left >= end or left + width <= start for start, end in taken):
            taken.append((left, left + width))
            kept.append(mark)
    return sorted(kept, key=lambda mark: mark.position)
