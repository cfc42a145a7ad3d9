"""A flag that processes share by fork, and that no dead process can hold."""

from __future__ import annotations

from multiprocessing.sharedctypes import RawValue


class Flag:
    """As ``multiprocessing.Event``, without its lock: one byte of shared memory. May be set in a signal handler."""

    def __init__(self) -> None:
        self._value = RawValue("b", 0)

    def set(self) -> None:
        self._value.value = 1

    def clear(self) -> None:
        self._value.value = 0

    def is_set(self) -> bool:
        return bool(self._value.value)
