"""Makes ids that sort by the time of their making."""

from __future__ import annotations

import os
import threading
import time
import uuid
from datetime import datetime


class _Ticks:
    """A clock in units of 1/4096 ms that never shows the same time twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, time.time_ns() * 4096 // 1_000_000)
            return self._last


_ticks = _Ticks()


def uuid7() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562 section 5.7): 60 bits of time in units of 1/4096 ms, then 62 random bits.

    Ids of one process increase strictly, as method 3 of section 6.2 has it.
    """
    milliseconds, fraction = divmod(_ticks.next(), 4096)
    rest = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | rest
    return uuid.UUID(int=value)


def first_uuid7(instant: datetime) -> uuid.UUID:
    """Below every id that is made at or after ``instant``, and above those made before."""
    return uuid.UUID(int=max(0, int(instant.timestamp() * 1000)) << 80)
