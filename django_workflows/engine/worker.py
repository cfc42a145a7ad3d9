"""One worker process: who it is, what it is doing, and the heartbeat that says so."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time

from django.db import connections

from ..conf import settings
from ..core.journal import ClaimedStep
from ..store import steps as step_store
from ..store import workers
from ..store.database import alias

logger = logging.getLogger("django_workflows")


class Worker:
    """This process, as rows name it. ``doing`` is the step that it runs."""

    def __init__(self, queue: str = "", role: str = "worker") -> None:
        self.queue = queue
        self.role = role
        self.pid = os.getpid()
        self.parent = os.getppid()
        self.host = socket.gethostname()[:40]
        self.id = f"{self.host}:{self.pid}:{secrets.token_hex(3)}"
        self.doing: ClaimedStep | None = None
        self.doing_since = 0.0

    def begin(self, step: ClaimedStep | None) -> None:
        """Note the step that runs from now on, ``None`` for none."""
        self.doing, self.doing_since = step, time.monotonic()

    def beat(self) -> None:
        """Say that this process lives, and renew the lease of what it runs."""
        step = self.doing
        doing = f"{step.workflow_name} {step.workflow_id} step {step.number} {step.name}" if step else ""
        workers.beat(self.id, self.host, self.pid, self.role, self.queue, doing)
        if step is not None and time.monotonic() - self.doing_since > settings.LEASE / 4:
            step_store.renew(step.workflow_id, step.number, step.attempt)


class Heartbeat:
    """A thread that lets a worker beat every quarter of a lease, with a database connection of its own.

    It beats also while a step blocks the main thread; it stops with its process, and so does the lease.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="django_workflows heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._beat()
                self._stop.wait(settings.LEASE / 4)
        finally:
            connections[alias()].close()

    def _beat(self) -> None:
        try:
            self._worker.beat()
        except Exception:  # noqa: BLE001 - the next beat tries again; a dead thread would lose the lease
            logger.warning("A heartbeat of worker %s failed", self._worker.id, exc_info=True)
            connections[alias()].close()
