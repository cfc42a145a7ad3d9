"""Long polls: waits for a change, or the end, of a workflow, as long as the client said and the server allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rest_framework.request import Request

from ..conf import settings
from .problems import BadInput, parameter_error

#: Seconds between two looks: short at first, since most waits are short.
_SHORTEST, _LONGEST = 0.01, 0.25


def wanted_wait(request: Request) -> float:
    """Seconds that ``?wait=`` asks for, at most ``API_MAX_WAIT``; 0 if it is not there. ``BadInput`` if it is none."""
    text = request.query_params.get("wait")
    if text is None:
        return 0.0
    try:
        seconds = float(text) if len(text) <= 20 and text.isascii() else -1.0
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 10**9:
        raise BadInput([parameter_error("wait", "A number of seconds, 0 or more, is needed.")])
    return min(seconds, float(settings.API_MAX_WAIT))


class _Places:
    """How many requests of this process wait at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Whether there is a place, which is free again afterwards."""
        with self._lock:
            got = self._taken < settings.API_MAX_WAITING
            self._taken += got
        try:
            yield got
        finally:
            with self._lock:
                self._taken -= got


places = _Places()


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Return once ``condition`` holds, when ``seconds`` are over, or at once if too many wait already."""
    if seconds <= 0 or condition():
        return
    until, pause = time.monotonic() + seconds, _SHORTEST
    with places.one() as got:
        while got and (left := until - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            if condition():
                return
            pause = min(_LONGEST, pause * 1.5)
