"""Stops code that runs too long, also a blocking call, also beside django-q2's own alarm."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import FrameType
from typing import Any

# What is behind Python's own wrappers, which look each handler up among the names of the special ones, by exceptions.
_behind: Any = import_module("_signal") if find_spec("_signal") else signal
_get_handler: Callable[..., Any] = _behind.getsignal
_set_handler: Callable[..., Any] = _behind.signal


class DeadlineReached(BaseException):
    """Raised in code that ran past its deadline; not an ``Exception``, so that ``except Exception`` lets it pass."""


@dataclass
class Watch:
    """What a deadline did, for code inside of which something may have caught its exception (asyncio does)."""

    reached: bool = False
    #: What an alarm that was set before raised inside of the block.
    interruption: BaseException | None = None


class deadline:  # noqa: N801 - reads as a statement
    """Raise ``DeadlineReached`` in the block once ``seconds`` have passed; ``None``: never.

    In the main thread it interrupts blocking calls (SIGALRM). An alarm that was set before goes on counting, and fires
    first if it is due first: that is how django-q2's own timeout stays in force. In other threads, where Python has no
    signals, the exception comes at the next bytecode.
    """

    __slots__ = ("_guard", "_seconds")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._guard: _Alarm | _Watchdog | None = None

    def __enter__(self) -> Watch:
        watch = Watch()
        if self._seconds is not None:
            in_main = threading.get_ident() == threading.main_thread().ident and hasattr(signal, "setitimer")
            self._guard = (_Alarm if in_main else _Watchdog)(self._seconds, watch)
        return watch

    def __exit__(self, *exc_info: object) -> None:
        if self._guard is not None:
            self._guard.end()


class _Alarm:
    """A timer of the process, above the one that was set before."""

    __slots__ = ("_began", "_outer_handler", "_outer_left", "_seconds", "_watch")

    def __init__(self, seconds: float, watch: Watch) -> None:
        self._seconds, self._watch = seconds, watch
        self._outer_handler = _get_handler(signal.SIGALRM)
        self._outer_left, _ = signal.getitimer(signal.ITIMER_REAL)
        self._began = time.monotonic()
        _set_handler(signal.SIGALRM, self._fire)
        outer_first = 0 < self._outer_left <= seconds
        signal.setitimer(signal.ITIMER_REAL, self._outer_left if outer_first else seconds)

    def _fire(self, signum: int, frame: FrameType | None) -> None:
        outer = self._outer_handler
        if self._outer_left and time.monotonic() - self._began >= self._outer_left and callable(outer):
            self._outer_left = 0.0  # it fires once
            try:
                outer(signum, frame)
            except BaseException as error:
                self._watch.interruption = error
                raise
        else:
            self._watch.reached = True
            raise DeadlineReached(f"still running after {self._seconds:g} s")

    def end(self) -> None:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:  # it may fire a last time, on this very line
            _set_handler(signal.SIGALRM, self._outer_handler if self._outer_handler is not None else signal.SIG_DFL)
            if self._outer_left:
                left = max(0.001, self._outer_left - (time.monotonic() - self._began))
                signal.setitimer(signal.ITIMER_REAL, left)


class _Watchdog:
    """A thread that raises in the one which made it."""

    def __init__(self, seconds: float, watch: Watch) -> None:
        self._thread_id = threading.get_ident()
        self._lock, self._over, self._watch = threading.Lock(), False, watch
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self) -> None:
        with self._lock:
            if not self._over:
                self._watch.reached = True
                _raise_in(self._thread_id, DeadlineReached)

    def end(self) -> None:
        with self._lock:
            self._over = True
        self._timer.cancel()


def _raise_in(thread_id: int, exception: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(exception))
