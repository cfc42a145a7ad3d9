"""How a cluster that waits hears of new work: NOTIFY on PostgreSQL, the change counter on SQLite."""

from __future__ import annotations

import time
from enum import Flag
from functools import partial, reduce
from operator import or_
from typing import Any

from ..store.after_commit import after_commit
from ..store.database import connection, execute, is_postgresql
from ..store.listening import NEWS, WORK
from ..store.prepared import run_one
from .stopping import stopping

#: Seconds between two looks at SQLite's change counter, which costs a few microseconds.
_TICK = 0.005
#: Seconds between two looks at whether the cluster is stopping, which costs no query.
_SLICE = 0.25


class Heard(Flag):
    """What was announced: that work is due, or that there is something else to look at. False: nothing was."""

    NOTHING = 0
    WORK = 1
    NEWS = 2


_MEANING = {WORK: Heard.WORK, NEWS: Heard.NEWS}


def _notify(queue: str, *channels: str) -> None:
    notices = ", ".join("pg_notify(%s, %s)" for _ in channels)
    run_one(f"SELECT {notices}", [each for channel in channels for each in (channel, queue)])


class Channel:
    """This process's ear. What it hears is a hint: everything is also found by looking now and then."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._listening: Any = None
        self._counter: int | None = None

    @staticmethod
    def announce(queue: str, *, due: bool = True, several: bool = False) -> None:
        """Say that work of a queue is due, or else that something is new in it, once the transaction is committed.

        ``several``: that more is due than one worker may be wanted for, so that both is said.
        In a transaction of its own, which writes nothing: one that notifies keeps all others that notify waiting while
        it commits, and to write takes long then.
        """
        if is_postgresql():
            channels = ([WORK] if due else []) + ([NEWS] if several or not due else [])
            after_commit(partial(_notify, queue, *channels))

    def wait(self, seconds: float) -> Heard:
        """Wait until something was announced, but not longer than ``seconds``; what it may have been.

        ``WORK`` only if it was said of this queue, in those words. Ends early when the cluster is stopping.
        """
        if is_postgresql():
            return self._wait_for_notify(seconds)
        return self._wait_for_change(seconds)

    def _wait_for_notify(self, seconds: float) -> Heard:
        raw = connection().connection
        if raw is None or raw is not self._listening:
            self._listen()
            return Heard.NEWS  # what was said before was not heard
        if not callable(getattr(raw, "notifies", None)):
            # psycopg2 has a list there, and nothing to wait with; looking often is good enough.
            time.sleep(min(seconds, 0.05))
            return Heard.NEWS
        until = time.monotonic() + seconds
        with connection().wrap_database_errors:
            while (left := until - time.monotonic()) > 0 and not stopping():
                # All that came together is read, so that many starts at once are one drain.
                notices = raw.notifies(timeout=min(left, _SLICE), stop_after=1)
                heard = reduce(or_, map(self._meaning, notices), Heard.NOTHING)
                if heard:
                    return heard
        return Heard.NOTHING

    def _meaning(self, notice: Any) -> Heard:
        return _MEANING[notice.channel] if notice.payload == self._queue else Heard.NOTHING

    def _listen(self) -> None:
        for channel in _MEANING:
            execute(f"LISTEN {channel}")
        self._listening = connection().connection

    def _wait_for_change(self, seconds: float) -> Heard:
        until = time.monotonic() + seconds
        connection().ensure_connection()
        raw = connection().connection
        while True:
            # Past Django's cursor, which costs several times as much as the look itself.
            with connection().wrap_database_errors:
                (counter,) = raw.execute("PRAGMA data_version").fetchone()
            if counter != self._counter:
                self._counter = counter
                return Heard.NEWS
            left = until - time.monotonic()
            if left <= 0 or stopping():
                return Heard.NOTHING
            time.sleep(min(_TICK, left))
