"""Says every few seconds how far a run is, and, where nothing gets on, what everybody waits for.

A run that stands still would otherwise only take long, and nobody could tell why.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from contextlib import suppress

from django.db import connection

from tests.chaos.diagnosis import counts, diagnosis
from tests.chaos.fleet import Fleet
from tests.chaos.traffic import Traffic

#: Seconds between two lines, and between two looks.
_EVERY, _LOOK = 10.0, 2.0


class Watch(threading.Thread):
    """Writes to standard error, on a connection of its own, until ``close()``.

    ``still``: after so many seconds in which no workflow began or ended, or the driver did not go on to anything else,
    it tells all that can be known.
    """

    def __init__(self, fleet: Fleet, traffic: Traffic, still: float) -> None:
        super().__init__(name="watch", daemon=True)
        self._fleet, self._traffic, self._still = fleet, traffic, still
        self._over = threading.Event()
        self._began = self._said_at = self._told_at = self._moved_at = time.monotonic()
        self._counts: dict[str, int] = {}
        self._seen: object = None

    def close(self) -> None:
        self._over.set()
        self.join(10)

    def run(self) -> None:
        while not self._over.wait(min(_LOOK, self._still / 2)):
            now = time.monotonic()
            away = self._look(now)
            if now - self._said_at >= _EVERY:
                self._said_at = now
                self._say(now, away)
            why = self._why_still(now)
            if why and now - self._told_at >= self._still:
                self._told_at = now
                _write(f"STANDS STILL: {why}")
                self._say(now, away)
                faulthandler.dump_traceback(file=sys.stderr)
                _write(diagnosis(self._fleet))
        connection.close()

    def _look(self, now: float) -> str:
        """Why the database does not answer; "" if it does."""
        away = ""
        try:
            self._counts = counts()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what there is to say
            first_line = str(error).partition("\n")[0]
            away = f"the database does not answer ({first_line}); before: "
            with suppress(Exception):
                connection.close()
        seen = (len(self._traffic.ids), self._counts)
        if seen != self._seen:
            self._seen, self._moved_at = seen, now
        return away

    def _why_still(self, now: float) -> str:
        if now - self._fleet.since >= self._still:
            return f"the driver has been {self._fleet.doing} for {now - self._fleet.since:.0f} s"
        if now - self._moved_at >= self._still and self._counts.get("in_progress"):
            return f"no workflow has begun or ended for {now - self._moved_at:.0f} s"
        return ""

    def _say(self, now: float, away: str) -> None:
        states = ", ".join(f"{count} {state}" for state, count in self._counts.items())
        traffic = f"{len(self._traffic.ids)} of {len(self._traffic.plan)} started, {self._traffic.doing}"
        _write(f"{now - self._began:5.0f} s: {away}{states or 'nothing'}; {traffic}; {self._fleet}")


def _write(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
