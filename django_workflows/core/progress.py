"""How far a step is, as its function reports it: which numbers it may say, and how they are kept."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

from .excerpts import preview, sanitize_text

#: Characters of a message that are kept; of a longer one the middle is left out, and a note says so.
MESSAGE_LIMIT = 500
#: Beyond this, counts are no counts of anything, and other languages' numbers no longer tell them apart.
_LARGEST = 2**53


class Progress(NamedTuple):
    """How far a running step is: ``done`` of ``total`` (``None``: it did not say), and a message for people."""

    done: float
    total: float | None = None
    message: str = ""

    def dump(self) -> str:
        return json.dumps(list(self))

    @property
    def reached(self) -> bool:
        """Whether all is done."""
        return self.total is not None and self.done >= self.total


def reported(done: Any, total: Any, message: Any) -> Progress:
    """What a function reported, as it is kept. ``ValueError`` for numbers that are none, negative or beyond 2**53."""
    return Progress(
        _number(done, "done"),
        None if total is None else _number(total, "total"),
        sanitize_text(str(message), MESSAGE_LIMIT),
    )


def read_progress(text: str) -> Progress | None:
    """What a row holds; ``None`` for nothing, and for what was not written by ``dump``."""
    try:
        done, total, message = json.loads(text) if text else (None, None, "")
    except (ValueError, TypeError):
        return None
    if not isinstance(done, (int, float)):
        return None
    return Progress(done, total if isinstance(total, (int, float)) else None, str(message))


def together(found: Iterable[tuple[str, Progress]]) -> dict[str, Progress]:
    """By name. Steps of one name count as one: what is done of all of them, with the message of the last one."""
    known: dict[str, Progress] = {}
    for name, each in found:
        before = known.get(name)
        known[name] = each if before is None else _added(before, each)
    return known


def _added(one: Progress, other: Progress) -> Progress:
    total = None if one.total is None or other.total is None else one.total + other.total
    return Progress(one.done + other.done, total, other.message or one.message)


def figure(number: float) -> str:
    """A number as people read it: whole, or with two digits after the point."""
    return f"{round(number, 2):,.2f}".rstrip("0").rstrip(".")


def _number(value: Any, name: str) -> float:
    number = math.nan
    if isinstance(value, (Real, Decimal)) and not isinstance(value, bool):
        # numpy's numbers are Reals, too, but only some of them ints or floats.
        number = _plain(value)
    if not 0 <= number <= _LARGEST:
        raise ValueError(
            f"report_progress: {name} must be a number from 0 to 2**53, got {preview(value)}. Report what can "
            "be counted, and no total where it is not known."
        )
    return number


def _plain(value: Real | Decimal) -> float:
    try:
        return operator.index(value) if hasattr(value, "__index__") else float(value)
    except (OverflowError, ValueError):  # a Fraction too large, a Decimal that signals
        return math.nan
