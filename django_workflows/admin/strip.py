"""The last 24 hours as small columns: how many workflows were started, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from ..store.activity import Hour, count_by_hour
from ..store.database import now
from .listing.counts import shown

HOURS = 24
#: From here on a column is as high as it gets.
MANY = 1_000
_HEIGHT, _WIDTH, _GAP = 40, 14, 4
#: From bottom to top.
_ORDER = ("completed", "in_progress", "canceled", "failed")


@dataclass(frozen=True)
class Piece:
    """A piece of a column, of one state."""

    state: str
    y: str
    height: str


@dataclass(frozen=True)
class Column:
    """One hour."""

    x: int
    pieces: list[Piece]
    words: str


@dataclass(frozen=True)
class Strip:
    """A drawing of ``width`` by ``height``; ``total`` and ``failed`` in words."""

    columns: list[Column]
    width: int
    height: int
    floor: int
    total: str
    failed: str
    any_failed: bool


def strip() -> Strip:
    """Of top-level workflows, by the hour of their start; the last hour is the one that is running."""
    end = now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    hours = count_by_hour(end, HOURS, MANY + 1)
    highest = max([*(min(sum(hour.counts.values()), MANY) for hour in hours), 1])
    total = sum(sum(hour.counts.values()) for hour in hours)
    failed = sum(hour.counts["failed"] for hour in hours)
    cut = any(count > MANY for hour in hours for count in hour.counts.values())
    return Strip(
        columns=[_column(index, hour, highest) for index, hour in enumerate(hours)],
        width=HOURS * (_WIDTH + _GAP) - _GAP,
        height=_HEIGHT,
        floor=_HEIGHT - 1,
        total=f"{total:,}+" if cut else f"{total:,}",
        failed=shown(failed, MANY * HOURS),
        any_failed=bool(failed),
    )


def _column(index: int, hour: Hour, highest: int) -> Column:
    top = float(_HEIGHT)
    scale = _HEIGHT / highest
    pieces = []
    for state in _ORDER:
        # What failed is seen however much went well.
        height = max(hour.counts[state] * scale, 2.0 if state == "failed" else 0.75) if hour.counts[state] else 0.0
        if height:
            height = min(height, top)
            top -= height
            pieces.append(Piece(state, f"{top:.2f}", f"{height:.2f}"))
    return Column(index * (_WIDTH + _GAP), pieces, _words(hour.start, hour.counts))


def _words(start: datetime, counts: dict[str, int]) -> str:
    time = f"{timezone.localtime(start):%H:%M}"
    return _("%(time)s: %(total)s started, %(failed)s of them failed") % {
        "time": time,
        "total": shown(sum(counts.values()), MANY),
        "failed": shown(counts["failed"], MANY),
    }
