"""What a cluster does beside its work, in a short-lived process: a database that hangs does not stop the sentinel."""

from __future__ import annotations

import logging
import time
from multiprocessing.process import BaseProcess
from typing import Any

from django import db
from django_q.conf import Conf
from django_q.scheduler import scheduler

from ...engine.outage import outage
from ...engine.recover import recover
from ...store.database import connection
from ...store.transient import is_away
from .crew import kill, spawn
from .member import begin

logger = logging.getLogger("django_workflows")

#: Seconds between two errands, as in django-q2, and how many of them one may take.
EVERY, _LONGEST = 30.0, 120.0


class Errands:
    """Runs an errand every 30 seconds, never two at a time."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker
        self._began_at = time.monotonic()
        self._process: BaseProcess | None = None

    def look(self) -> None:
        since = time.monotonic() - self._began_at
        if self._process is not None and self._process.is_alive():
            if since > _LONGEST:
                logger.error("An errand hangs, and is given up: is the database there?")
                kill(self._process)
            return
        if since >= EVERY:
            self._began_at = time.monotonic()
            db.connections.close_all()
            self._process = spawn(_run, self._broker)

    def kill(self) -> None:
        if self._process is not None:
            kill(self._process)


def _run(broker: Any, parent: int) -> None:
    """django-q2's schedules, and whatever was lost in the journal."""
    begin(parent)
    try:
        connection().ensure_connection()  # django-q2's scheduler would log each time that it cannot
        if Conf.SCHEDULER:
            scheduler(broker=broker)
        recover()
    except Exception as error:
        if is_away(error):
            outage.noticed(error)
            return
        logger.exception("Nothing could be recovered; the next errand tries again")
