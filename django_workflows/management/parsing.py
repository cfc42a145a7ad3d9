"""Reads what users type: durations, instants, JSON; and says where it is wrong."""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from django.core.management.base import CommandError
from django.utils import timezone

from .texts import fit, printable

#: Exit codes.
WRONG_USAGE, INTERRUPTED = 2, 130

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:s|min|m|h|d|w))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(s|min|m|h|d|w)")
_LONGEST = 1000 * 365.25 * 86_400
_CONTEXT = 40


def usage_error(message: str) -> CommandError:
    """An error that ends the command with 2."""
    return CommandError(message, returncode=WRONG_USAGE)


def duration(text: str) -> timedelta:
    """``30d``, ``12h``, ``1d12h``, ``90s``; units are s, m or min, h, d, w."""
    if not _DURATION.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no duration: write a number and a unit, as 30d, 12h, 90min or 45s")
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if total > _LONGEST:
        raise ArgumentTypeError(f"{text!r} is longer than a thousand years")
    return timedelta(seconds=total)


def seconds(text: str) -> timedelta:
    """A ``duration``, or a plain number of seconds."""
    return duration(f"{text}s" if re.fullmatch(r"\d+(\.\d+)?", text) else text)


def instant(text: str) -> datetime:
    """An ISO 8601 date and time; without an offset it is in the project's TIME_ZONE."""
    try:
        found = datetime.fromisoformat(text)
        return (found if timezone.is_aware(found) else timezone.make_aware(found)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no instant: write ISO 8601, as 2026-12-31T08:00+01:00") from None


def positive(text: str) -> int:
    """A number of at least 1."""
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def json_value(text: str, *, what: str) -> Any:
    """Any JSON value; ``CommandError`` that shows the place where ``text`` is none."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise usage_error(_json_message(text, what, error)) from None
    except RecursionError:
        raise usage_error(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise usage_error(f"{what} is no JSON: {printable(str(error))}") from None


def json_object(text: str, *, what: str) -> dict[str, Any]:
    """``json_value`` of an object."""
    value = json_value(text, what=what)
    if not isinstance(value, dict):
        raise usage_error(f"{what} must be a JSON object with the arguments by name, as '{{\"count\": 3}}'")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _json_message(text: str, what: str, error: json.JSONDecodeError) -> str:
    before, after = text[: error.pos].rpartition("\n")[2], text[error.pos :].partition("\n")[0]
    before, after = printable(before[-_CONTEXT:]), fit(printable(after), _CONTEXT)
    place = f"line {error.lineno}, column {error.colno}" if "\n" in text else f"column {error.colno}"
    return f"{what} is no JSON at {place}: {error.msg}\n  {before}{after}\n  {' ' * len(before)}^"
