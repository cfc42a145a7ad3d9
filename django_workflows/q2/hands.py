"""Counts drains that were handed to django-q2 and not begun, so that its queue never fills with them.

The count is a hint in memory that a cluster's processes share by fork. It may be off after a crash; it then corrects
itself, and in the meantime costs a drain too many or a moment's delay.
"""

from __future__ import annotations

import multiprocessing
import time

_STALE = 0.5
_begun = multiprocessing.Value("L", 0, lock=False)


def begun() -> None:
    """A worker has begun a drain."""
    _begun.value += 1


class Hands:
    """The pusher's side: how many it handed out that no worker took yet."""

    def __init__(self) -> None:
        self._seen = _begun.value
        self._handed_at = 0.0
        self._waiting = False

    def free(self) -> bool:
        """Whether another drain may be handed out: the last one was begun, or must be taken for lost."""
        if self._waiting and _begun.value != self._seen:
            self._waiting = False
        if self._waiting and time.monotonic() - self._handed_at > _STALE:
            self._waiting = False
        return not self._waiting

    def hand_out(self) -> None:
        self._seen, self._handed_at, self._waiting = _begun.value, time.monotonic(), True

    def active(self, seconds: float) -> bool:
        """Whether anything was handed out in the last ``seconds``."""
        return time.monotonic() - self._handed_at < seconds
