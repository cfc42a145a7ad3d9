"""Stops code that runs too long, also a blocking call, also beside django-q2's own alarm."""

from __future__ import annotations

import ctypes
import math
import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeAlias

# What is behind Python's own wrappers, which look each handler up among the names of the special ones, by exceptions.
_behind: Any = sys.modules.get("_signal", signal)
_get_handler: Callable[..., Any] = _behind.getsignal
_set_handler: Callable[..., Any] = _behind.signal
#: Seconds until an alarm that is overdue, since a timer of 0 would never fire; so much too early counts as in time.
_LEAST = 0.001
#: Seconds to the next try where an exception would be ignored, and after how many it is raised there all the same.
_MOMENT, _TRIES = 0.005, 200
#: Where the callbacks of weak sets and dictionaries are.
_WEAK = frozenset(each.__init__.__code__.co_filename for each in (weakref.WeakSet, weakref.WeakValueDictionary))


#: Asked from time to time, with the thread's CPU time, whether a deadline is reached before its time.
Look: TypeAlias = Callable[[Callable[[], float]], bool]


def _never(cpu: Callable[[], float]) -> bool:
    return False


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

    ``parts``: in how many parts the seconds are counted. While the process stands still (a container that is paused, a
    debugger) not more than one of them passes. After each of them ``look(cpu)`` may say that the deadline is reached
    early; ``cpu()`` are the seconds of CPU time that the thread has used so far.
    """

    __slots__ = ("_guard", "_look", "_parts", "_seconds")

    def __init__(self, seconds: float | None, *, parts: int = 1, look: Look = _never) -> None:
        self._seconds, self._parts, self._look = seconds, parts, look
        self._guard: _Alarm | _Watchdog | None = None

    def __enter__(self) -> Watch:
        watch = Watch()
        if self._seconds is not None:
            in_main = threading.get_ident() == threading.main_thread().ident and hasattr(signal, "setitimer")
            self._guard = (_Alarm if in_main else _Watchdog)(self._seconds, self._parts, watch, self._look)
        return watch

    def __exit__(self, *exc_info: object) -> None:
        if self._guard is not None:
            self._guard.end()


class _Alarm:
    """A timer of the process, above the one that was set before."""

    __slots__ = ("_due", "_left", "_look", "_outer_due", "_outer_handler", "_outer_part", "_part", "_seconds", "_watch")

    def __init__(self, seconds: float, parts: int, watch: Watch, look: Look) -> None:
        self._seconds, self._part, self._left, self._watch = seconds, seconds / parts, parts, watch
        self._look = look
        self._outer_handler = _get_handler(signal.SIGALRM)
        outer_left, self._outer_part = signal.getitimer(signal.ITIMER_REAL)
        now = time.monotonic()
        self._due = now + self._part
        self._outer_due = now + outer_left if outer_left else math.inf
        _set_handler(signal.SIGALRM, self._fire)
        self._arm(now)

    def _arm(self, now: float) -> None:
        # One that is set above this one must see that it comes again.
        again = self._part if self._left > 1 else 0.0
        signal.setitimer(signal.ITIMER_REAL, max(_LEAST, min(self._due, self._outer_due) - now), again)

    def _fire(self, signum: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        now, outer = time.monotonic() + _LEAST, self._outer_handler
        if now >= self._outer_due and callable(outer):
            self._outer_due = now + self._outer_part if self._outer_part else math.inf
            try:
                outer(signum, frame)
            except BaseException as error:
                self._watch.interruption = error
                raise
        elif now >= self._due:
            self._left -= 1
            if self._left > 0 and not self._look(time.thread_time):
                self._due = now + self._part  # however late this one is
            else:
                self._reach(frame, now)
        self._arm(now)

    def _reach(self, frame: FrameType | None, now: float) -> None:
        if _is_finalizing(frame):
            self._due = now + _MOMENT
            if self._left > -_TRIES:
                return
            self._left = 0
            self._arm(now)  # it ends what hangs there, and then the code that goes on
        self._watch.reached = True
        raise DeadlineReached(f"still running after {self._seconds:g} s")

    def end(self) -> None:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:  # it may fire a last time, on this very line
            _set_handler(signal.SIGALRM, self._outer_handler if self._outer_handler is not None else signal.SIG_DFL)
            if self._outer_due < math.inf:
                left = max(_LEAST, self._outer_due - time.monotonic())
                signal.setitimer(signal.ITIMER_REAL, left, self._outer_part)


class _Watchdog:
    """Raises in the thread that made it, by another one, which looks after all of them."""

    __slots__ = ("_left", "_lock", "_look", "_next", "_over", "_part", "_thread_id", "_tries", "_watch")

    def __init__(self, seconds: float, parts: int, watch: Watch, look: Look) -> None:
        self._part, self._left, self._watch, self._look = seconds / parts, parts, watch, look
        self._tries = _TRIES
        self._thread_id = threading.get_ident()
        self._lock, self._over = threading.Lock(), False
        self._next = time.monotonic() + self._part
        _overseer.watch(self)

    def tick(self) -> bool:
        """For the overseer, every few milliseconds; whether there is nothing to look after any more."""
        now = time.monotonic()
        if self._over:
            return True
        if now < self._next:
            return False
        if self._left > 0:
            self._left -= 1
            self._next = now + self._part  # however late this is
            if self._left > 0 and not self._look(self._cpu):
                return False
            self._left = 0
        self._tries -= 1
        if self._tries > 0 and _is_finalizing(sys._current_frames().get(self._thread_id)):
            self._next = now + _MOMENT
            return False
        self._fire()
        return True

    def _cpu(self) -> float:
        try:
            return time.clock_gettime(time.pthread_getcpuclockid(self._thread_id))
        except (AttributeError, OSError):  # not to be had on this system, or the thread has ended
            return 0.0

    def _fire(self) -> None:
        with self._lock:
            if not self._over:
                self._watch.reached = True
                _raise_in(self._thread_id, DeadlineReached)

    def end(self) -> None:
        with self._lock:
            self._over = True


class _Overseer:
    """The thread that looks at all watchdogs, as long as there are any; one thread for each would cost too much."""

    #: Seconds between two looks.
    _TICK = 0.01
    #: For so many looks it stays awake where there is nothing to look after.
    _IDLE = 20

    def __init__(self) -> None:
        self._new: deque[_Watchdog] = deque()
        self._wanted, self._pause = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, dog: _Watchdog) -> None:
        self._new.append(dog)
        if not self._wanted.is_set():
            self._wanted.set()
        if self._thread is None or not self._thread.is_alive():  # it does not live on in a forked process
            self._thread = threading.Thread(target=self._run, name="django_workflows deadlines", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        dogs: list[_Watchdog] = []
        idle = 0
        while True:
            while self._new:
                dogs.append(self._new.popleft())
            dogs = [dog for dog in dogs if not dog.tick()]
            idle = 0 if dogs else idle + 1
            if idle <= self._IDLE:
                self._pause.wait(self._TICK)
                continue
            self._wanted.clear()
            if not self._new:
                self._wanted.wait()
            idle = 0


_overseer = _Overseer()


def _is_finalizing(frame: FrameType | None) -> bool:
    """Whether Python is finalizing something in the midst of other code, and would ignore what is raised there."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or (code.co_name in ("remove", "_remove") and code.co_filename in _WEAK):
            return True
        frame = frame.f_back
    return False


def _raise_in(thread_id: int, exception: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(exception))
