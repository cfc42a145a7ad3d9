"""Who of a worker's threads claims work and writes what comes of it: one at a time, the driver.

The main thread drives while it drains, but for the time in which a step's function of unknown length runs there; the
lander does otherwise. Where nothing flies there is no lander, and nobody to wait for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_role = threading.Lock()


class _Here(threading.local):
    #: Whether this thread has the role.
    drives = False


_here = _Here()


@contextmanager
def driving(*, shares: bool) -> Iterator[None]:
    """In the block this thread is the driver, once no other one is. ``shares``: there are others that want to be."""
    if not shares or _here.drives:
        yield
        return
    _role.acquire()
    _here.drives = True
    try:
        yield
    finally:
        _here.drives = False
        _role.release()


@contextmanager
def letting_others_drive() -> Iterator[None]:
    """While a function runs that may take long."""
    if not _here.drives:
        yield
        return
    _here.drives = False
    _role.release()
    try:
        yield
    finally:
        _role.acquire()
        _here.drives = True


def wait_for(until: Callable[[], bool], news: threading.Event, seconds: float) -> None:
    """Let others drive until ``until()``, asked after each news and every so many seconds."""
    with letting_others_drive():
        while not until():
            news.wait(seconds)
