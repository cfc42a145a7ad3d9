"""Stops code that runs too long, also a blocking call, also beside django-q2's own alarm."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class DeadlineReached(BaseException):
    """Raised in code that ran past its deadline; not an ``Exception``, so that ``except Exception`` lets it pass."""


@dataclass
class Watch:
    """What a deadline did, for code inside of which something may have caught its exception (asyncio does)."""

    reached: bool = False
    #: What an alarm that was set before raised inside of the block.
    interruption: BaseException | None = None


@contextmanager
def deadline(seconds: float | None) -> Iterator[Watch]:
    """Raise ``DeadlineReached`` in the block once ``seconds`` have passed; ``None``: never.

    In the main thread it interrupts blocking calls (SIGALRM). An alarm that was set before goes on counting, and fires
    first if it is due first: that is how django-q2's own timeout stays in force. In other threads, where Python has no
    signals, the exception comes at the next bytecode.
    """
    watch = Watch()
    if seconds is None:
        yield watch
    elif threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        with _alarm(seconds, watch):
            yield watch
    else:
        with _watchdog(seconds, watch):
            yield watch


@contextmanager
def _alarm(seconds: float, watch: Watch) -> Iterator[None]:
    outer_handler = signal.getsignal(signal.SIGALRM)
    outer_left, _ = signal.getitimer(signal.ITIMER_REAL)
    outer_first = 0 < outer_left <= seconds
    began = time.monotonic()

    def fire(signum: int, frame: FrameType | None) -> None:
        nonlocal outer_left
        if outer_left and time.monotonic() - began >= outer_left and callable(outer_handler):
            outer_left = 0.0  # it fires once
            try:
                outer_handler(signum, frame)
            except BaseException as error:
                watch.interruption = error
                raise
        else:
            watch.reached = True
            raise DeadlineReached(f"still running after {seconds:g} s")

    signal.signal(signal.SIGALRM, fire)
    signal.setitimer(signal.ITIMER_REAL, outer_left if outer_first else seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, outer_handler if outer_handler is not None else signal.SIG_DFL)
        if outer_left:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, outer_left - (time.monotonic() - began)))


@contextmanager
def _watchdog(seconds: float, watch: Watch) -> Iterator[None]:
    thread_id = threading.get_ident()
    lock, over = threading.Lock(), False

    def fire() -> None:
        with lock:
            if not over:
                watch.reached = True
                _raise_in(thread_id, DeadlineReached)

    timer = threading.Timer(seconds, fire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
        timer.cancel()


def _raise_in(thread_id: int, exception: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(exception))
