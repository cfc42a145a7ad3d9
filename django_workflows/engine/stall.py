"""Says aloud, in the log, that work is due and nobody takes it. Cannot be wedged by what it looks for."""

from __future__ import annotations

import logging
import time

from ..core.health import stalled
from ..store import health as store
from ..store.database import now
from .health import check_queue

logger = logging.getLogger("django_workflows")

#: Seconds after which a stall that goes on is said again.
_AGAIN = 60.0


class StallWatch:
    """Looks at a queue with each heartbeat of a worker; of all its workers, one speaks."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._said_at: float | None = None

    def look(self, worker: str) -> None:
        at = now()
        speaker = min((each.id for each in store.workers(at) if each.queue == self._queue), default=worker)
        if speaker != worker:
            return
        found = check_queue(self._queue)
        if found.stalled:
            self._say(f"{stalled(found).message} {stalled(found).hint}")
        elif self._said_at is not None:
            self._said_at = None
            logger.warning("Queue %r goes on", self._queue)

    def _say(self, text: str) -> None:
        if self._said_at is None or time.monotonic() - self._said_at > _AGAIN:
            self._said_at = time.monotonic()
            logger.critical("%s", text)
