"""What a worker does about drains that fail one after the other: it waits longer each time, and says why once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..engine.repeated_failure import RepeatedFailure

logger = logging.getLogger("django_workflows")

#: Seconds that a worker takes nothing after a drain that failed: doubled with each further one, and at the most.
_PAUSE, _LONGEST = 0.25, 5.0
_SLICE = 0.1


class DrainFailures:
    """The failed drains of this process since the last one that did not fail."""

    def __init__(self) -> None:
        self._count = 0
        self._failure = RepeatedFailure()

    def note(self, error: Exception, queue: str, *, known: bool) -> None:
        """A drain failed. ``known``: others say why, and go on saying it."""
        self._count += 1
        if known:
            logger.info("A drain of queue %r ended early: the database is away", queue, extra={"queue": queue})
        else:
            self._failure.tell(logging.ERROR, error, "A drain of queue %r ended early", queue, extra={"queue": queue})

    def end(self) -> None:
        """A drain did not fail."""
        self._count = 0

    def wait(self, stop: Callable[[], bool]) -> None:
        """Take nothing for a while, less if ``stop()`` says so."""
        if self._count:
            until = time.monotonic() + min(_LONGEST, _PAUSE * 2 ** min(self._count - 1, 10))
            while time.monotonic() < until and not stop():
                time.sleep(_SLICE)


drain_failures = DrainFailures()
