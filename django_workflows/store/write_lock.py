"""Takes SQLite's write lock soon after it is free.

SQLite itself looks for it after 1, 2, 5, 10 milliseconds, and then less and less often. Two workers that write for a
millisecond at a time would spend most of theirs asleep.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from sqlite3 import ProgrammingError
from typing import TypeVar

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from .transient import is_transient

T = TypeVar("T")

#: Seconds between two looks, at first and at the most, and how they grow: whoever waits for long looks less often.
_FIRST, _MOST, _GROWTH = 0.0001, 0.001, 1.3
#: Seconds after which it is left to SQLite, with the time that the project allows it.
_LONGEST = 0.03


def soon_after_it_is_free(conn: BaseDatabaseWrapper, take: Callable[[], T]) -> T:
    """What ``take`` returns, which takes the write lock or else changes nothing. Only on SQLite, in no transaction.

    In other threads than the main one it is left to SQLite: a process that has several writers has them wait for each
    other as it is.
    """
    if threading.get_ident() != threading.main_thread().ident:
        return take()
    raw = conn.connection
    (milliseconds,) = raw.execute("PRAGMA busy_timeout").fetchone()
    late, pause = time.monotonic() + min(_LONGEST, milliseconds / 1000), _FIRST
    raw.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                return take()
            except OperationalError as error:
                if not is_transient(error):
                    raise
                _forget(error)
            if time.monotonic() >= late:
                break
            time.sleep(pause)
            pause = min(_MOST, pause * _GROWTH)
    finally:
        with suppress(ProgrammingError):  # it was closed
            raw.execute(f"PRAGMA busy_timeout = {milliseconds}")
    return take()


def _forget(error: BaseException) -> None:
    """Leave no cursor in what the error and its frames refer to in a circle.

    Python would collect it in any thread, which then waits, with the interpreter's lock, until the connection of that
    cursor waits for nothing any more.
    """
    for each in (error, error.__cause__):
        if each is not None:
            traceback.clear_frames(each.__traceback__)
            each.__traceback__ = None
