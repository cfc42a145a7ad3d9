"""One worker process: who it is, what it is doing, and the heartbeat that says so."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

from django.db import connections

from ..conf import settings
from ..core.journal import ClaimedStep
from ..store import steps as step_store
from ..store import workers
from ..store.database import retrying
from .dispatch import wake
from .machine import is_gone, machine, worker_id

logger = logging.getLogger("django_workflows")

#: The id of the worker that is draining, as its claims bear it; "" where none is.
draining: ContextVar[str] = ContextVar("django_workflows_draining", default="")


class Worker:
    """This process, as rows name it. ``doing`` is the step that it runs."""

    def __init__(self, queue: str = "", role: str = "worker") -> None:
        self.queue = queue
        self.role = role
        self.pid = os.getpid()
        self.host = socket.gethostname()[:200]
        self.id = worker_id(self.pid, secrets.token_hex(2))
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


def give_back_of_the_dead() -> int:
    """Make due again, at once, what workers of this machine held whose process is gone; how many workers that were.

    Each claim counts as lost, as when its lease runs out. Workers of other machines are left to their leases.
    """
    here = machine()
    gone = [worker for worker in workers.of_machine(here) if is_gone(worker)] if here else []
    for worker in gone:
        for queue in retrying(lambda worker=worker: workers.give_back(worker)):  # type: ignore[misc]
            wake(queue)
    return len(gone)


class Heartbeat:
    """A thread that lets a worker beat every quarter of a lease, with a database connection of its own.

    It beats also while a step blocks the main thread; it stops with its process, and so does the lease. After each beat
    it looks for dead workers of this machine, and calls ``then``.
    """

    def __init__(self, worker: Worker, then: Callable[[], None] = lambda: None) -> None:
        self.worker = worker
        self._then = then
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
            connections.close_all()

    def _beat(self) -> None:
        try:
            self.worker.beat()
            give_back_of_the_dead()
            self._then()
            if self.worker.doing is None:
                connections.close_all()
        except Exception:
            logger.warning("A heartbeat of worker %s failed", self.worker.id, exc_info=True)
            connections.close_all()
