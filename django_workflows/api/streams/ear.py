"""How a process that watches workflows hears of changes: NOTIFY on PostgreSQL, the change counter on SQLite."""

from __future__ import annotations

import time
from typing import Any

from ...store.database import connection, is_postgresql
from ...store.listening import CHANNELS, listen

#: Seconds between two looks at SQLite's change counter, which costs a few microseconds.
_TICK = 0.02


class Ear:
    """Belongs to one thread. What it hears is a hint: everything is also found by looking now and then."""

    def __init__(self) -> None:
        self._listening: Any = None
        self._counter: int | None = None

    def wait(self, seconds: float) -> None:
        """Return when something may have changed, after ``seconds`` at the latest. Raises Django's database errors."""
        if is_postgresql():
            self._wait_for_notify(seconds)
        else:
            self._wait_for_change(seconds)

    def _wait_for_notify(self, seconds: float) -> None:
        raw = connection().connection
        if raw is None or raw is not self._listening:
            listen()
            self._listening = connection().connection
            return  # what was said before was not heard
        if not callable(getattr(raw, "notifies", None)):
            time.sleep(min(seconds, 0.1))  # psycopg2 has nothing to wait with
            return
        with connection().wrap_database_errors:
            for notice in raw.notifies(timeout=seconds, stop_after=1):
                assert notice.channel in CHANNELS

    def _wait_for_change(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        connection().ensure_connection()
        raw = connection().connection
        while True:
            # Past Django's cursor, which costs several times as much as the look itself.
            with connection().wrap_database_errors:
                (counter,) = raw.execute("PRAGMA data_version").fetchone()
            left = until - time.monotonic()
            if counter != self._counter or left <= 0:
                self._counter = counter
                return
            time.sleep(min(_TICK, left))
