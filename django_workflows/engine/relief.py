"""A thread that looks after a batch while its worker's main thread is inside a step."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from django.db import connections

logger = logging.getLogger("django_workflows")

#: Seconds between two looks.
_TICK = 0.05


class Relievable(Protocol):
    """What is looked after."""

    def relieve(self) -> None: ...


class Relief:
    """The thread, which is made with the first batch of its process, and sleeps while there is none."""

    def __init__(self) -> None:
        self._batch: Relievable | None = None
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def of(self, batch: Relievable) -> Iterator[None]:
        """Look after this batch in the block."""
        if self._thread is None or not self._thread.is_alive():  # it does not live on in a forked process
            self._thread = threading.Thread(target=self._run, name="django_workflows relief", daemon=True)
            self._thread.start()
        self._batch = batch
        self._wanted.set()
        try:
            yield
        finally:
            self._batch = None

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._wanted.wait()
            pause.wait(_TICK)
            batch = self._batch
            if batch is None:
                self._wanted.clear()
                if self._batch is not None:
                    self._wanted.set()
                continue
            try:
                batch.relieve()
            except Exception:
                logger.warning("Steps wait for a slow one beside them; their leases bring them back", exc_info=True)
            finally:
                connections.close_all()


relief = Relief()
