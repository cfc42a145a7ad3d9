"""Makes a process end with the one that started it, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
#: Seconds between two looks at the parent, where the system does not tell.
_TICK = 0.5


def end_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have this process get ``number`` when ``parent``, which started it, dies; at once, if it has died already."""
    if not _kernel_tells(number):
        threading.Thread(target=_watch, args=(parent, number), name="django_workflows parent", daemon=True).start()
    elif is_orphan(parent):  # it died between the fork and this
        os.kill(os.getpid(), number)


def is_orphan(parent: int) -> bool:
    """Whether ``parent``, which started this process, is gone."""
    return os.getppid() != parent


def _kernel_tells(number: signal.Signals) -> bool:
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) == 0)


def _watch(parent: int, number: signal.Signals) -> None:
    while not is_orphan(parent):
        time.sleep(_TICK)
    os.kill(os.getpid(), number)
