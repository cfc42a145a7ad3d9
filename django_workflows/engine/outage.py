"""Says that the journal's database is away once, and once that it is back, for all processes that one has forked."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawValue

logger = logging.getLogger("django_workflows")

#: Seconds without a failure in any process after which it is over. Longer than any of them waits before it asks again:
#: where connections are scarce some have one, and others do not.
_QUIET = 3.0
#: Seconds that are waited for the lock: whoever held it may be dead.
_PATIENCE = 0.1
_HINT = "Workers wait, and resume by themselves when it is back."


class Outage:
    """In shared memory: since when, and until when, the database could not be used."""

    def __init__(self) -> None:
        self._since, self._latest = RawValue("d", 0.0), RawValue("d", 0.0)
        self._lock = multiprocessing.Lock()

    @property
    def lasts(self) -> bool:
        """Whether it was noticed, and has not been found to be over."""
        return bool(self._since.value)

    def noticed(self, error: BaseException | str, *, hint: str = _HINT) -> None:
        """The database was away just now, as this error says. The first to notice it says so."""
        with self._held():
            first = not self._since.value
            self._latest.value = time.monotonic()
            if first:
                self._since.value = self._latest.value
        text = " ".join(str(error).split()) or type(error).__name__
        logger.log(logging.ERROR if first else logging.DEBUG, "The database cannot be used: %s. %s", text, hint)

    def over(self) -> None:
        """The database did what it was asked just now. If none has missed it for a moment, it is said to be back."""
        if not self._since.value or time.monotonic() - self._latest.value < _QUIET:
            return
        with self._held():
            since, self._since.value = self._since.value, 0.0
        if since:
            logger.warning("The database can be used again, after %.0f s", max(1.0, self._latest.value - since))

    @contextmanager
    def _held(self) -> Iterator[None]:
        held = self._lock.acquire(timeout=_PATIENCE)
        try:
            yield
        finally:
            if held:
                self._lock.release()


#: That of this process, its children and its siblings.
outage = Outage()
