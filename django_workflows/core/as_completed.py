"""Lets ``asyncio.as_completed`` begin coroutines in an order that replay repeats.

It puts what it is given into a set, and coroutines iterate there by their addresses.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from ..exceptions import UnsupportedInHandler

_TASKS = vars(asyncio.tasks)
# A function up to Python 3.12, a class with a function in front of it since.
_AS_COMPLETED = (
    asyncio.as_completed.__code__,
    *([_TASKS["_AsCompletedIterator"].__init__.__code__] if "_AsCompletedIterator" in _TASKS else []),
)


def given_to_as_completed() -> Any:
    """What ``as_completed`` was given, if it is what now makes a task of a coroutine; ``None`` otherwise."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals is _TASKS:
        if frame.f_code in _AS_COMPLETED:
            return frame.f_locals.get("fs", frame.f_locals.get("aws"))
        frame = frame.f_back  # type: ignore[assignment]
    return None


def in_order(given: Any, coroutine: Coroutine[Any, Any, Any]) -> list[Coroutine[Any, Any, Any]]:
    """All the coroutines that ``as_completed`` was given, this one among them."""
    if not isinstance(given, (Iterator, AbstractSet)) or (isinstance(given, AbstractSet) and len(given) == 1):
        coroutines = [each for each in dict.fromkeys(given) if asyncio.iscoroutine(each)]
        if coroutine in coroutines:
            return coroutines
    coroutine.close()
    raise UnsupportedInHandler(
        "asyncio.as_completed() begins coroutines in an order of its own, which no replay could repeat: give it a list "
        "of them, futures of step calls, or tasks (asyncio.create_task)"
    )
