"""Turns what users write for durations into seconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from ..exceptions import InvalidStep

Duration = timedelta | float | int

# datetime ends in the year 9999; anything longer than this cannot be added to an instant.
LONGEST = timedelta(days=365 * 5000).total_seconds()


def to_seconds(duration: Duration, *, what: str) -> float:
    """Seconds of a timedelta or number; ``InvalidStep`` naming ``what`` if it is negative, endless or no duration."""
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, (int, float)) and not isinstance(duration, bool):
        try:
            seconds = float(duration)
        except OverflowError:
            seconds = math.inf
    else:
        raise InvalidStep(f"{what}: a timedelta or a number of seconds is needed, got {duration!r}")
    if not 0 <= seconds <= LONGEST:
        raise InvalidStep(f"{what}: must lie between 0 and 5,000 years, got {duration!r}")
    return seconds


def aware(instant: datetime, *, what: str) -> datetime:
    """``instant`` unchanged; ``InvalidStep`` naming ``what`` if it has no time zone, or no place in UTC."""
    if not isinstance(instant, datetime):
        raise InvalidStep(f"{what}: an aware datetime is needed, got {instant!r}")
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise InvalidStep(
            f"{what}: {instant!r} has no time zone; use an aware datetime, as django.utils.timezone.now()"
        )
    try:
        instant.astimezone(UTC)
    except OverflowError:
        raise InvalidStep(f"{what}: {instant!r} lies outside of the years 1 to 9999 in UTC") from None
    return instant
