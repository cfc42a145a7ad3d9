"""Whether the cluster of this process is stopping, which django-q2 does not tell its processes before they are idle."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .cluster.flags import Flag

_reasons: list[Callable[[], bool]] = []


def leave_when(told: Callable[[], bool]) -> None:
    """Have this process begin nothing more once ``told()`` says so."""
    _reasons.append(told)


def stopping() -> bool:
    """Whether this process should begin nothing more: its cluster is told to stop, or its sentinel has died."""
    parent = multiprocessing.parent_process()
    if any(told() for told in _reasons) or (parent is not None and os.getppid() != parent.pid):
        return True
    above = sentinel()
    return above is not None and _is_set(above.stop_event)


def sentinel() -> Any:
    """The sentinel whose fork this process is; ``None`` in any other process."""
    return _sentinel(os.getpid())


@lru_cache(maxsize=1)
def _sentinel(pid: int) -> Any:
    """Found once per process, by its main thread.

    django-q2 gives its workers nothing by which they could learn that the cluster is stopping. A forked worker runs on
    the sentinel's own stack, though, where it can be found together with the event that its main process sets.
    """
    frame: Any = sys._getframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        if hasattr(owner, "stop_event") and hasattr(owner, "event_out"):
            return owner if owner.pid != pid else None
        frame = frame.f_back
    return None


def _is_set(event: Any) -> bool:
    """``event.is_set()`` without its lock: a worker killed while it held that would stop the whole cluster."""
    if isinstance(event, Flag):
        return event.is_set()
    try:
        return bool(event._flag.get_value())
    except (AttributeError, NotImplementedError):
        return False
