"""Threads for actions that are not quick. They do not keep their process from ending, whatever their functions do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

#: Seconds for which a thread that has nothing to do is kept.
_KEPT = 10.0


class ActionThreads:
    """As many threads as there is work at a time; who gives it bounds that."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    def run(self, call: Callable[[], None]) -> None:
        """Call it in a thread, soon. It must not raise."""
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._calls.put(call)
                return
        threading.Thread(target=self._work, args=(call,), name="django_workflows action", daemon=True).start()

    def _work(self, first: Callable[[], None]) -> None:
        call: Callable[[], None] | None = first
        while call is not None:
            call()
            with self._lock:
                self._idle += 1
            call = self._next()

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._calls.get(timeout=_KEPT)
            except Empty:
                with self._lock:
                    if self._calls.empty():
                        self._idle -= 1
                        return None
