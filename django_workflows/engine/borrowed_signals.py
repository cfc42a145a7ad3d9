"""Gives back the signal handlers and the timer that a step's function has taken from whoever runs the worker.

django-q2's timeout and our own deadlines are SIGALRM and its timer; SIGTERM and SIGINT end a process in an orderly way.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from ..core.journal import ClaimedStep
from .log_fields import of_step

logger = logging.getLogger("django_workflows")

# Behind Python's own wrappers, which are slow; see ``deadlines``.
_behind: Any = sys.modules.get("_signal", signal)
_get_handler: Any = _behind.getsignal
_set_handler: Any = _behind.signal
_get_timer: Any = getattr(_behind, "getitimer", None)
_NUMBERS = tuple(int(getattr(signal, name)) for name in ("SIGALRM", "SIGTERM", "SIGINT") if hasattr(signal, name))
#: Seconds by which a timer may seem to have moved.
_INEXACT = 0.1
#: Paths of functions of which the log has been told.
_told: set[str] = set()


#: The thread that may set them: Python lets no other.
_main = threading.main_thread().ident


def _after_fork() -> None:
    global _main  # noqa: PLW0603
    _main = threading.main_thread().ident


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def handlers() -> list[Any] | None:
    """What handles the signals now; ``None`` in a thread that cannot change it."""
    return list(map(_get_handler, _NUMBERS)) if threading.get_ident() == _main else None


def give_back_handlers(before: list[Any] | None, step: ClaimedStep) -> None:
    """Set again what the attempt of this step has changed."""
    if before is None or before == (after := list(map(_get_handler, _NUMBERS))):
        return
    changed = []
    for number, old, new in zip(_NUMBERS, before, after, strict=True):
        if old != new and old is not None:  # None: Python has not set it, and cannot
            _set_handler(number, old)
            changed.append(signal.Signals(number).name)
    _tell(step, f"the handler of {' and of '.join(changed)}")


class BorrowedTimer:
    """The timer of SIGALRM as it was set before this worker's steps: when it fires, and how often from then on."""

    def __init__(self) -> None:
        self._usable = _get_timer is not None and threading.get_ident() == _main
        self._due: float | None = None
        if self._usable:
            left, self._every = _get_timer(signal.ITIMER_REAL)
            self._due = time.monotonic() + left if left else None

    def give_back(self, step: ClaimedStep) -> None:
        """Set it again if it is not, or not for then; the step was the last that was run."""
        if not self._usable:
            return
        left, _ = _get_timer(signal.ITIMER_REAL)
        now, due = time.monotonic(), self._due
        if due is not None and now > due - _INEXACT:
            return  # it has fired, or is about to
        if bool(left) if due is None else not left or abs(now + left - due) > _INEXACT:
            signal.setitimer(signal.ITIMER_REAL, 0.0 if due is None else due - now, self._every)
            _tell(step, "the timer of SIGALRM")


def _tell(step: ClaimedStep, what: str) -> None:
    """Once for each function."""
    if step.function in _told:
        return
    _told.add(step.function)
    logger.warning(
        "Step %d (%s) of %s %s has changed %s, which is set again: timeouts depend on it. Let the function put "
        "back what was set before.",
        step.number,
        step.name,
        step.workflow_name,
        step.workflow_id,
        what,
        extra=of_step(step),
    )
