"""When a cron expression comes due in a time zone, also on the days on which its clocks change.

croniter, which django-q2 needs for such schedules anyway, is a package of its own: imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

_SECOND = timedelta(seconds=1)


def next_time(expression: str, zone: tzinfo, after: datetime) -> datetime:
    """The first instant after the aware ``after`` at which the expression is due; aware, in UTC.

    As cron has it, where the hour is fixed (a number, list or range): a time that the clocks skip is due at the first
    instant after the gap, and one that comes twice only the first time. Where the hour is ``*`` or a step it is due
    whenever the clocks show a time that fits. Raises ``ValueError`` for an expression that croniter cannot read, or
    that fits no date.
    """
    runs_through = _runs_through(expression)
    shown = after.astimezone(zone)
    # If the clocks are about to go back over the time that they show, earlier times come again, too.
    again = shown.replace(fold=1).astimezone(UTC) - shown.astimezone(UTC)
    best: datetime | None = None
    for wall in _walls(expression, shown.replace(tzinfo=None, fold=0) - again):
        first = _first_instant(wall, zone)
        if best is not None and first > best:
            break
        due = _every_instant(wall, zone) if runs_through else [first]
        best = min([each for each in due if each > after] + ([] if best is None else [best]), default=None)
    assert best is not None  # croniter raises where it finds none
    return best


def is_repetition(expression: str, zone: tzinfo, instant: datetime) -> bool:
    """Whether the expression was due at this time of the clock an hour (or so) ago already, before they went back."""
    shown = instant.astimezone(zone)
    if not shown.fold or _runs_through(expression):
        return False
    from croniter import croniter

    return bool(croniter.match(expression, shown.replace(tzinfo=None, fold=0)))


def _runs_through(expression: str) -> bool:
    from croniter import croniter

    fields = expression.split()
    hour = fields[1] if len(fields) > 1 else ""  # one field is an alias as @daily
    return "*" in hour or "/" in hour or croniter.expand(expression)[0][1] == ["*"]


def _walls(expression: str, after: datetime) -> Iterator[datetime]:
    """The times that fit, as clocks show them."""
    from croniter import croniter

    found: Any = croniter(expression, after)
    while True:
        yield found.get_next(datetime)


def _clock(instant: datetime, zone: tzinfo) -> datetime:
    """What the clocks show."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _every_instant(wall: datetime, zone: tzinfo) -> list[datetime]:
    """When the clocks show that time: once, twice where they go back, never where they skip it."""
    instants = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(each for each in instants if _clock(each, zone) == wall)


def _first_instant(wall: datetime, zone: tzinfo) -> datetime:
    """The first instant at which the clocks show that time, or a later one where they skip it."""
    found = _every_instant(wall, zone)
    if found:
        return found[0]
    # In a gap fold=1 reckons with the time after it, and so names an instant before it, and fold=0 one after it.
    before, after = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if _clock(middle, zone) < wall:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
