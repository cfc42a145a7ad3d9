"""One worker process: who it is, what it is doing, and the heartbeat that says so."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from functools import partial

from django.db import connections

from ..conf import settings
from ..core.excerpts import sanitize_text
from ..core.journal import ClaimedStep
from ..store import attempts, workers
from ..store.database import local_now, retrying
from ..store.transient import is_away
from .borrowed_signals import BorrowedTimer
from .current import write_reports
from .dispatch import wake
from .in_flight import flights
from .machine import is_gone, machine, worker_id
from .marks import forget, unbegun
from .outage import outage
from .repeated_failure import RepeatedFailure

logger = logging.getLogger("django_workflows")

#: Seconds to the next beat after one that failed.
_PAUSE = 1.0
#: Seconds between two beats, at the most: a stall has to be noticed soon, however long a lease is.
_LONGEST = 7.5
#: The id of the worker that is draining, as its claims bear it; "" where none is.
draining: ContextVar[str] = ContextVar("django_workflows_draining", default="")


class Worker:
    """This process, as rows name it.

    ``doing`` is the step that it runs, ``known`` says whether its id was ever heard of, ``former`` are ids whose claims
    it has abandoned, ``timer`` is the one set for its drain. Setting ``stirred`` makes its heartbeat beat at once.
    """

    def __init__(self, queue: str = "", role: str = "worker", *, batches: bool = False) -> None:
        """``batches``: it may take several pieces at once, while their steps are quick."""
        self.queue = queue
        self.batches = batches
        #: How often it looks for no second piece of a kind beside the one that it took, since there was none last time.
        self.alone: Counter[str] = Counter()
        #: In its present drain, how often there was a piece beside which it might have looked for more.
        self.found = 0
        self.role = role
        self.pid = os.getpid()
        self.host = sanitize_text(socket.gethostname(), 200)
        self.id = worker_id(self.pid, secrets.token_hex(2))
        self.former: list[str] = []
        self.timer = BorrowedTimer()
        self.doing: ClaimedStep | None = None
        self.doing_since = 0.0
        #: What it does for others than us: the name of an ordinary task of django-q2.
        self.aside = ""
        self.worked: float | None = None
        self.done = 0
        self.known = False
        self.stirred = threading.Event()

    def took(self) -> None:
        """Note that it has just taken a piece of work."""
        self.worked, self.done = time.monotonic(), self.done + 1

    def begin(self, step: ClaimedStep | None) -> None:
        """Note the step that runs from now on, ``None`` for none."""
        self.doing, self.doing_since = step, time.monotonic()

    def beat(self) -> None:
        """Say that this process lives, and renew the lease of what it runs."""
        step = self.doing
        doing = f"{step.workflow_name} {step.workflow_id} step {step.number} {step.name}" if step else self.aside
        if not doing and len(flights):
            doing = flights.doing()
        worked = None if self.worked is None else time.monotonic() - self.worked
        workers.beat(self.id, self.host, self.pid, self.role, self.queue, doing, worked=worked, done=self.done)
        self.known = True
        write_reports()
        if step is not None and time.monotonic() - self.doing_since > settings.LEASE / 4:
            attempts.renew(step.attempt_id)
        flights.renew(settings.LEASE / 4)

    def abandon(self) -> None:
        """Go on under another id: a drain ended early, and the heartbeat is to give back what it had claimed."""
        self.former.append(self.id)
        self.id, self.known = worker_id(self.pid, secrets.token_hex(2)), False
        self.stirred.set()

    def give_back_abandoned(self) -> None:
        while self.former:
            flights.adopt(self.former[0], self.id)
            give_back(self.former[0], patiently=True)
            self.former.pop(0)


def give_back(worker: str, *, patiently: bool = False) -> None:
    """Forget a worker, and make due again, at once, whatever it held; ``patiently``: later each time.

    Each claim counts as lost, as with a lease, but for those that are known not to have been begun.
    """
    for attempt in unbegun(worker):
        taken = retrying(partial(attempts.take_back, attempt, worker))
        if taken is not None:
            wake(taken)
    for queue, seconds in retrying(lambda: workers.give_back(worker, patiently=patiently)).items():
        wake(queue, seconds)
    forget(worker)


def give_back_of_the_dead() -> int:
    """Give back what workers of this machine held whose process is gone; how many workers that were.

    Workers of other machines are left to their leases.
    """
    here = machine()
    gone = [worker for worker in workers.of_machine(here) if is_gone(worker)] if here else []
    for worker in gone:
        give_back(worker)
    return len(gone)


class Heartbeat:
    """A thread that lets a worker beat four times in a lease at least, with a database connection of its own.

    It beats also while a step blocks the main thread; it stops with its process, and so does the lease. After each beat
    it gives back what its worker has abandoned and what dead workers of this machine held, and calls ``then``.
    """

    def __init__(
        self,
        worker: Worker,
        then: Callable[[], None] = lambda: None,
        unheard: Callable[[datetime, Exception], None] = lambda since, error: None,
    ) -> None:
        """``unheard`` is called when a beat failed: since when they do, by this host's clock, and why."""
        self.worker = worker
        self._then = then
        self._unheard = unheard
        self._failing_since: datetime | None = None
        self._failure = RepeatedFailure()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="django_workflows heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; its worker is forgotten, with whatever it may still hold given back."""
        self._stop.set()
        self.worker.stirred.set()
        self._thread.join(timeout=5)
        self.worker.give_back_abandoned()
        give_back(self.worker.id)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                pause = min(settings.LEASE / 4, _LONGEST if self._beat() else _PAUSE)
                self.worker.stirred.wait(pause)
                self.worker.stirred.clear()
        finally:
            connections.close_all()

    def _beat(self) -> bool:
        """Whether all of it was done; if not, the next beat comes soon."""
        try:
            self.worker.beat()
            self.worker.give_back_abandoned()
            give_back_of_the_dead()
            self._then()
            if self.worker.doing is None:
                connections.close_all()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next beat tries again
            self._failing_since = self._failing_since or local_now()
            if is_away(error):
                outage.noticed(error)
            else:
                self._failure.tell(logging.WARNING, error, "A heartbeat of worker %s failed", self.worker.id, extra={})
            connections.close_all()
            self._say_unheard(self._failing_since, error)
            return False
        self._failing_since = None
        outage.over()
        return True

    def _say_unheard(self, since: datetime, error: Exception) -> None:
        """What cannot write may still be able to read, and so to say what becomes of the work."""
        try:
            self._unheard(since, error)
        except Exception:
            logger.debug("Worker %s cannot read either", self.worker.id, exc_info=True)
        finally:
            connections.close_all()
