"""JSON pointers (RFC 6901) into request bodies, as URI fragments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

_LIMIT = 500


def pointer(path: Iterable[str | int]) -> str:
    """``#/args/cities/0``; of a part that no UTF-8 has, what can be shown."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return ("#" + "".join(f"/{quote(part, safe='~', errors='replace')}" for part in parts))[:_LIMIT]


def locate(location: Sequence[str | int], body: Any) -> tuple[str | int, ...]:
    """The path in ``body`` of a place that pydantic names, which also names the members of unions on its way.

    A last part that is not there is one that is missing; any other is no part of the path.
    """
    path: list[str | int] = []
    here = body
    for index, part in enumerate(location):
        if _is_there(part, here):
            here = here[part]
        elif index < len(location) - 1 or not isinstance(here, dict):
            continue
        path.append(part)
    return tuple(path)


def _is_there(part: str | int, here: Any) -> bool:
    if isinstance(here, list):
        return isinstance(part, int) and 0 <= part < len(here)
    return isinstance(here, dict) and part in here
