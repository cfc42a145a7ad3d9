"""Takes SQLite's write lock soon after it is free.

SQLite itself looks for it after 1, 2, 5, 10 milliseconds, and then less and less often. Two workers that write for a
millisecond at a time would spend most of theirs asleep.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from sqlite3 import ProgrammingError
from typing import TypeVar

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from .passing import passes

T = TypeVar("T")

#: Seconds between two looks, at first and at the most, and how they grow: whoever waits for long looks less often.
_FIRST, _MOST, _GROWTH = 0.0001, 0.001, 1.3
#: Seconds after which it is left to SQLite, with the time that the project allows it.
_LONGEST = 0.03


def soon_after_it_is_free(conn: BaseDatabaseWrapper, take: Callable[[], T]) -> T:
    """What ``take`` returns, which takes the write lock or else changes nothing. Only on SQLite, in no transaction."""
    raw = conn.connection
    (milliseconds,) = raw.execute("PRAGMA busy_timeout").fetchone()
    late, pause = time.monotonic() + min(_LONGEST, milliseconds / 1000), _FIRST
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                return take()
            except OperationalError as error:
                if not passes(error):
                    raise
            if time.monotonic() >= late:
                break
            time.sleep(pause)
            pause = min(_MOST, pause * _GROWTH)
    finally:
        with suppress(ProgrammingError):  # it was closed
            raw.execute(f"PRAGMA busy_timeout = {milliseconds}")
    return take()
