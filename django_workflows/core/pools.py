"""What limits a pool of steps: how many run at once, and how many begin in a span of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ..exceptions import InvalidDefinition, InvalidStep
from .durations import Duration, to_seconds


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """``max_parallelism`` steps at once; ``starts`` of them in any span as long as ``per``. ``None``: no such limit."""

    max_parallelism: int | None = None
    starts: int | None = None
    per: timedelta | None = None

    @classmethod
    def of(cls, max_parallelism: object, rate_limit: tuple[int, Duration] | None) -> PoolLimits | None:
        """The limits as code says them, ``None`` if it says none; ``InvalidDefinition`` if they make no sense."""
        if max_parallelism is None and rate_limit is None:
            return None
        places = None if max_parallelism is None else _count(max_parallelism, "max_parallelism must be")
        return cls(places, *_rate(rate_limit))

    def overridden(self, max_parallelism: int | None, starts: int | None, per: timedelta | None) -> PoolLimits:
        """These limits where a row says nothing, and the row's where it does; a rate counts as one."""
        return PoolLimits(
            self.max_parallelism if max_parallelism is None else max_parallelism,
            *((self.starts, self.per) if starts is None or per is None else (starts, per)),
        )


#: Of a pool that this process's code does not know: one of another release, whose own workers know better.
UNKNOWN = PoolLimits(max_parallelism=1)


def _rate(rate_limit: object) -> tuple[int | None, timedelta | None]:
    if rate_limit is None:
        return None, None
    if not isinstance(rate_limit, (tuple, list)) or len(rate_limit) != 2:
        raise InvalidDefinition(
            f"rate_limit must be a pair of a count and a duration, as (100, timedelta(minutes=1)), got {rate_limit!r}"
        )
    starts = _count(rate_limit[0], "rate_limit: the first is how many steps may begin,")
    try:
        seconds = to_seconds(rate_limit[1], what="rate_limit: the second is the span of time, which")
    except InvalidStep as error:
        raise InvalidDefinition(str(error)) from None
    if seconds < 0.001:
        raise InvalidDefinition(f"rate_limit: the span of time must be a millisecond at least, got {rate_limit[1]!r}")
    return starts, timedelta(seconds=seconds)


def _count(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidDefinition(f"{what} an int of at least 1, got {value!r}")
    return value
