"""How a cluster that waits hears of new work: NOTIFY on PostgreSQL, the change counter on SQLite."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from django.db import transaction

from ..store.database import alias, connection, execute, is_postgresql
from ..store.prepared import run_one
from .stopping import stopping

CHANNEL = "django_workflows"
#: Seconds between two looks at SQLite's change counter, which costs a few microseconds.
_TICK = 0.005
#: Seconds between two looks at whether the cluster is stopping, which costs no query.
_SLICE = 0.25


def _notify(queue: str) -> None:
    run_one("SELECT pg_notify(%s, %s)", [CHANNEL, queue])


class Channel:
    """This process's ear. What it hears is a hint: everything is also found by looking now and then."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._listening: Any = None
        self._counter: int | None = None

    @staticmethod
    def announce(queue: str) -> None:
        """Say that there is work in a queue, once the transaction is committed.

        In a transaction of its own, which writes nothing: one that notifies keeps all others that notify waiting while
        it commits, and to write takes long then.
        """
        if is_postgresql():
            transaction.on_commit(partial(_notify, queue), using=alias(), robust=True)

    def wait(self, seconds: float) -> bool:
        """Wait until something was announced, but not longer than ``seconds``; whether it may have been.

        Ends early when the cluster is stopping.
        """
        if is_postgresql():
            return self._wait_for_notify(seconds)
        return self._wait_for_change(seconds)

    def _wait_for_notify(self, seconds: float) -> bool:
        raw = connection().connection
        if raw is None or raw is not self._listening:
            self._listen()
            return True  # what was said before was not heard
        if not callable(getattr(raw, "notifies", None)):
            # psycopg2 has a list there, and nothing to wait with; looking often is good enough.
            time.sleep(min(seconds, 0.05))
            return True
        until = time.monotonic() + seconds
        with connection().wrap_database_errors:
            while (left := until - time.monotonic()) > 0 and not stopping():
                for notice in raw.notifies(timeout=min(left, _SLICE), stop_after=1):
                    if notice.payload == self._queue:
                        return True
        return False

    def _listen(self) -> None:
        execute(f"LISTEN {CHANNEL}")
        self._listening = connection().connection

    def _wait_for_change(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        connection().ensure_connection()
        raw = connection().connection
        while True:
            # Past Django's cursor, which costs several times as much as the look itself.
            with connection().wrap_database_errors:
                (counter,) = raw.execute("PRAGMA data_version").fetchone()
            if counter != self._counter:
                self._counter = counter
                return True
            left = until - time.monotonic()
            if left <= 0 or stopping():
                return False
            time.sleep(min(_TICK, left))
