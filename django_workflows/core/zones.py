"""Lets datetimes and times keep their time zone, as RFC 9557 writes it: ``2026-07-01T00:00:00+02:00[Europe/Berlin]``.

pydantic knows the offset alone, with which a day later may be an hour off. So zones are added to what it has written,
and taken off before it reads.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import is_dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from .round_trip import parts_of
from .unfit import Unfit

#: Where in a JSON value zones were: by key and position of an object or a list, down to the name of a zone.
Marks: TypeAlias = "str | dict[tuple[str | int, int], Marks]"

_NONE = timedelta(0)
_ISO = r"(?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d(?::\d\d)?)?"
_WITHOUT = re.compile(_ISO)
_WITH = re.compile(rf"({_ISO})\[([A-Za-z][\w+\-/]*)\]")
_IN_TEXT = re.compile(rf'("{_ISO})\[[A-Za-z][\w+\-/]*\](?=")')


def may_hold_zones(text: str) -> bool:
    """Whether it is worth looking for zones in a JSON text."""
    return ']"' in text


def without_zones(text: str) -> str:
    """A JSON text as versions wrote it that did not keep zones."""
    return _IN_TEXT.sub(r"\1", text)


def with_zones(value: Any, jsonable: Any) -> Any:
    """``jsonable``, which pydantic made of ``value``, with the zone of each datetime and time that has one by name."""
    if isinstance(value, (datetime, time)):
        key = getattr(value.tzinfo, "key", None)
        fits = isinstance(key, str) and isinstance(jsonable, str) and _WITHOUT.fullmatch(jsonable)
        return f"{jsonable}[{key}]" if fits else jsonable
    if isinstance(value, (list, tuple, deque)) and isinstance(jsonable, list) and len(value) == len(jsonable):
        return [with_zones(*pair) for pair in zip(value, jsonable, strict=True)]
    if not isinstance(jsonable, dict):
        return jsonable
    if isinstance(value, dict):
        if len(value) != len(jsonable):
            return jsonable
        pairs = zip(value.values(), jsonable.items(), strict=True)
        return {key: with_zones(item, part) for item, (key, part) in pairs}
    named = dict(parts_of(value) or ())
    return {key: with_zones(named[key], part) if key in named else part for key, part in jsonable.items()}


def take_zones(jsonable: Any) -> tuple[Any, Marks | None]:
    """``jsonable`` as pydantic reads it, and where which zone was; ``None`` if there was none."""
    if isinstance(jsonable, str):
        found = _WITH.fullmatch(jsonable)
        return (found[1], found[2]) if found else (jsonable, None)
    if not isinstance(jsonable, (dict, list)):
        return jsonable, None
    keys: list[Any] = list(jsonable) if isinstance(jsonable, dict) else list(range(len(jsonable)))
    taken = [take_zones(jsonable[key]) for key in keys]
    marks: dict[tuple[str | int, int], Marks] = {
        (key, position): mark
        for position, (key, (_, mark)) in enumerate(zip(keys, taken, strict=True))
        if mark is not None
    }
    parts = [part for part, _ in taken]
    return (dict(zip(keys, parts, strict=True)) if isinstance(jsonable, dict) else parts), marks or None


def give_zones(value: Any, marks: Marks) -> Any:
    """``value``, which pydantic has read, with the zones where they were. What it made something else of stays so."""
    if isinstance(marks, str):
        return _in_zone(value, marks)
    if isinstance(value, (list, deque)):
        for index, mark in _inside(marks, len(value)):
            value[index] = give_zones(value[index], mark)
    elif isinstance(value, tuple):
        items = list(value)
        for index, mark in _inside(marks, len(items)):
            items[index] = give_zones(items[index], mark)
        return value._make(items) if hasattr(value, "_make") else tuple(items)
    elif isinstance(value, dict):
        keys = list(value)
        for index, mark in _inside(marks, len(keys)):
            value[keys[index]] = give_zones(value[keys[index]], mark)
    else:
        _give_to_fields(value, marks)
    return value


def _inside(marks: dict[tuple[str | int, int], Marks], length: int) -> Iterator[tuple[int, Marks]]:
    return ((position, mark) for (_, position), mark in marks.items() if position < length)


def _give_to_fields(value: Any, marks: dict[tuple[str | int, int], Marks]) -> None:
    """Past a frozen class and past validation, for it is the value that the field was given."""
    for (name, _), mark in marks.items():
        if isinstance(value, BaseModel):
            holder = value.__dict__ if name in value.__dict__ else value.__pydantic_extra__ or {}
            if isinstance(name, str) and name in holder:
                holder[name] = give_zones(holder[name], mark)
        elif is_dataclass(value) and isinstance(name, str) and hasattr(value, name):
            object.__setattr__(value, name, give_zones(getattr(value, name), mark))


def _in_zone(value: Any, key: str) -> Any:
    if isinstance(value, str):
        return f"{value}[{key}]"  # a text that only looks like it
    if isinstance(value, time):
        return value.replace(tzinfo=_zone(key))
    if not isinstance(value, datetime) or value.tzinfo is None:
        return value
    zone = _zone(key)
    for fold in (0, 1):  # also for a time that a clock change skips, which is nobody's but the writer's
        found = value.replace(tzinfo=zone, fold=fold)
        # pydantic leaves out the seconds that offsets had before there were time zones.
        if abs((found.utcoffset() or _NONE) - (value.utcoffset() or _NONE)) < timedelta(minutes=1):
            return found
    return value.astimezone(zone)  # the zone has changed its rules since: the instant holds


@lru_cache(maxsize=256)
def _zone(key: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except (ValueError, OSError, LookupError):
        raise Unfit((), f"there is no time zone {key!r} here: install tzdata", "time_zone") from None
