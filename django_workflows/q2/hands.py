"""Counts drains that were handed to django-q2 and not begun, so that its queue never fills with them.

The count is a hint in memory that a cluster's processes share by fork. It may be off after a crash; it then corrects
itself, and in the meantime costs a drain too many or a moment's delay.
"""

from __future__ import annotations

import multiprocessing
import time

#: Seconds until a drain that nobody has begun is taken for lost. Doubled each time, since all workers may be busy.
_STALE, _STALEST = 1.0, 30.0
#: Seconds between two looks at the shared count, at first and later.
_TICK, _TOCK = 0.002, 0.02
_begun = multiprocessing.Value("L", 0, lock=False)
#: Whether the drain that ended last found nothing to do.
_in_vain = multiprocessing.Value("b", 0, lock=False)


def begun() -> None:
    """A worker has begun a drain."""
    _begun.value += 1


def ended(pieces: int) -> None:
    """A worker has ended a drain, in which it did so many pieces of work."""
    _in_vain.value = not pieces


class Hands:
    """The pusher's side: whether it has handed out a drain that no worker took yet."""

    def __init__(self) -> None:
        self._seen = _begun.value
        self._handed_at = 0.0
        self._waiting = False
        self._stale = _STALE

    def hand_out(self) -> None:
        self._seen, self._handed_at, self._waiting = _begun.value, time.monotonic(), True

    def wait(self, seconds: float) -> bool:
        """Wait until another drain may be handed out, but not longer than ``seconds``; whether it may."""
        since = time.monotonic()
        while self._pending():
            waited = time.monotonic() - since
            if waited >= seconds:
                return False
            time.sleep(_TICK if waited < 0.1 else _TOCK)
        return True

    def trust(self) -> bool:
        """Whether a drain may be handed out because work is announced, without a look at whether there is any.

        Not after one that found nothing: others are as quick (other clusters, a worker in the middle of its drain).
        """
        return not _in_vain.value

    def active(self, seconds: float) -> bool:
        """Whether anything was handed out in the last ``seconds``."""
        return time.monotonic() - self._handed_at < seconds

    def _pending(self) -> bool:
        if self._waiting and _begun.value != self._seen:
            self._waiting, self._stale = False, _STALE
        if self._waiting and time.monotonic() - self._handed_at > self._stale:
            self._waiting, self._stale = False, min(_STALEST, 2 * self._stale)
        return self._waiting
