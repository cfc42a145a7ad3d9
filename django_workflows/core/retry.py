"""Decides whether and when a failed attempt is tried again."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ..exceptions import InvalidStep, RetryAfter
from .durations import LONGEST, Duration, to_seconds


def dotted_path(obj: Any) -> str:
    """``module.qualname``, the way journals name classes and functions."""
    return f"{obj.__module__}.{obj.__qualname__}"


def asked_delay(error: BaseException) -> float | None:
    """In how many seconds an exception asks to be retried, by its attribute ``retry_after``; ``None``: it does not.

    That is a number, a timedelta, or the digits of a header of HTTP; anything else asks for nothing.
    """
    try:
        asked: Any = getattr(error, "retry_after", None)
        if isinstance(asked, str):
            asked = float(asked)
        seconds = asked.total_seconds() if isinstance(asked, timedelta) else asked
    except Exception:  # noqa: BLE001 - it is somebody else's
        return None
    return min(float(seconds), LONGEST) if _is_number(seconds) and seconds >= 0 else None


def _paths(types: Sequence[type[BaseException] | str]) -> tuple[str, ...]:
    return tuple(
        (f"builtins.{item}" if hasattr(builtins, item) else item) if isinstance(item, str) else dotted_path(item)
        for item in types
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_types(types: object, *, what: str) -> None:
    if isinstance(types, (list, tuple, set, frozenset)) and all(
        isinstance(item, str) or (isinstance(item, type) and issubclass(item, BaseException)) for item in types
    ):
        return
    raise InvalidStep(f"{what} must be a list of exception types or their dotted names, got {types!r:.120}")


@dataclass(frozen=True)
class RetryPolicy:
    """How often an attempt is repeated, and how long to wait before each.

    ``max_attempts`` counts all attempts, the first one too. The wait before attempt ``n + 1`` is
    ``initial_backoff * base ** (n - 1)``, at most ``max_backoff``, times a random factor between ``1 - jitter`` and
    ``1 + jitter``; an exception with an attribute ``retry_after`` decides itself. ``initial_backoff``, ``max_backoff``
    and ``max_elapsed`` are seconds or timedeltas. With ``max_elapsed`` no attempt begins later than that after the
    first one could. With ``retry_on`` only those exception types are tried again; those of ``never_on`` never are.
    Defaults as in Convex's workpool.
    """

    max_attempts: int = 5
    initial_backoff: Duration = 0.5
    base: float = 2.0
    jitter: float = 0.5
    max_backoff: Duration = 3600.0
    retry_on: Sequence[type[BaseException] | str] = field(default=(), kw_only=True)
    never_on: Sequence[type[BaseException] | str] = field(default=(), kw_only=True)
    max_elapsed: Duration | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.max_attempts, bool) or not isinstance(self.max_attempts, int) or self.max_attempts < 1:
            raise InvalidStep(f"RetryPolicy: max_attempts must be an int of at least 1, got {self.max_attempts!r}")
        if not _is_number(self.base) or not self.base >= 1:
            raise InvalidStep(f"RetryPolicy: base must be a number of at least 1, got {self.base!r}")
        if not _is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise InvalidStep(f"RetryPolicy: jitter must lie between 0 and 1, got {self.jitter!r}")
        for name in ("initial_backoff", "max_backoff"):
            to_seconds(getattr(self, name), what=f"RetryPolicy: {name}")
        if self.max_elapsed is not None:
            to_seconds(self.max_elapsed, what="RetryPolicy: max_elapsed")
        for name in ("retry_on", "never_on"):
            _check_types(getattr(self, name), what=f"RetryPolicy: {name}")

    def backoff(self, attempt: int) -> float:
        """Seconds to wait after ``attempt`` (from 1) failed, before jitter."""
        first = to_seconds(self.initial_backoff, what="initial_backoff")
        longest = to_seconds(self.max_backoff, what="max_backoff")
        try:
            return min(first * float(self.base) ** (attempt - 1), longest) if first else 0.0
        except OverflowError:
            return longest

    def delay(
        self, attempt: int, uniform: float, *, asked: float | None = None, elapsed: float = 0.0
    ) -> timedelta | None:
        """How long to wait after ``attempt`` (from 1) failed, or ``None`` if it was the last.

        ``uniform`` is a random number in [0, 1); it is the caller's, so that a test can assert an exact instant.
        ``asked`` is in how many seconds the attempt itself asked to be repeated, ``elapsed`` how many have passed since
        the first attempt could begin.
        """
        if attempt >= self.max_attempts:
            return None
        wait = self.backoff(attempt) * (1 - self.jitter + 2 * self.jitter * uniform) if asked is None else asked
        if self.max_elapsed is not None and elapsed + wait > to_seconds(self.max_elapsed, what="max_elapsed"):
            return None
        return timedelta(seconds=min(wait, LONGEST))

    def covers(self, error_types: Sequence[str]) -> bool:
        """Whether an exception whose class hierarchy has these dotted paths is one to try again."""
        types = set(error_types)
        if not types.isdisjoint(_paths(self.never_on)):
            return False
        return not self.retry_on or not types.isdisjoint((*_paths(self.retry_on), dotted_path(RetryAfter)))

    def to_json(self) -> dict[str, Any]:
        """The form in which a step's row carries its policy."""
        return {
            "max_attempts": self.max_attempts,
            "initial_backoff": to_seconds(self.initial_backoff, what="initial_backoff"),
            "base": self.base,
            "jitter": self.jitter,
            "max_backoff": to_seconds(self.max_backoff, what="max_backoff"),
            **(
                {}
                if self.max_elapsed is None
                else {"max_elapsed": to_seconds(self.max_elapsed, what="RetryPolicy: max_elapsed")}
            ),
            **({"retry_on": list(_paths(self.retry_on))} if self.retry_on else {}),
            **({"never_on": list(_paths(self.never_on))} if self.never_on else {}),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RetryPolicy:
        return cls(**data)
