"""Writes what comes of actions in flight, and lets the workflows go on: in the main thread's drain, or the lander's."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from django.db import connections

from ..conf import settings
from ..core.commands import Outcome
from ..core.journal import AttemptId, ClaimedStep, Lane
from ..core.outcomes import INTERRUPTED_TYPE
from ..core.registry import registry
from ..store import attempts
from ..store import steps as step_store
from ..store.database import alias, atomic, retrying
from ..store.session import drop_all, owning
from ..store.transient import is_transient
from . import announce
from .batch_writer import BatchWriter
from .current import write_reports
from .dispatch import wake
from .driving import driving
from .finish import policy_of
from .in_flight import flights
from .pools import free_place
from .repeated_failure import RepeatedFailure
from .run_step import function_of, is_suspect, lost_attempt
from .worker import Worker, draining

logger = logging.getLogger("django_workflows")

#: How many that have landed are written at a time.
_AT_ONCE = 128
#: How many steps one worker claims for its event loop at a time, so that others have some of a wide gather.
_BITE = 64
#: Seconds between two looks at what is in flight, at the least, and for each of them.
_LOOK, _LOOK_EACH = 1.0, 0.001
#: Seconds between two writes of what was reported.
_REPORTS = 0.25
#: Seconds for which connections are kept when nothing is in flight.
_IDLE = 2.0
#: Seconds to the next try to write, at first and at the most.
_PAUSE, _LONG_PAUSE = 0.5, 5.0


def launch(step: ClaimedStep) -> bool:
    """Begin a claimed step in flight; False if it is to be run here, or its lost attempt is its end."""
    if not flights.is_open or step.lane == Lane.MAIN:
        return False
    if not is_known(step):
        return True
    if not flights.flies(step) or is_suspect(step):
        return False
    suspicious = bool(step.lost)
    if suspicious and lost_attempt(step) is not None:
        return False
    return flights.launch(step, suspicious=suspicious)


def is_known(step: ClaimedStep) -> bool:
    """Whether this process knows the function of a step. If not, its workflow is blocked, or left to others."""
    if step.damage or (step.workflow_name, step.function) in registry.functions:
        return True
    return function_of(step) is not None


def land(worker: Worker) -> list[ClaimedStep]:
    """Write what has landed, with the turns that follow. Returns steps that this worker has to run in this thread.

    The caller is the driver. Should it fail, all that was not written has landed still.
    """
    taken: list[tuple[ClaimedStep, Outcome]] = []
    while flights.landed and len(taken) < (_AT_ONCE if _Trouble.none else 1):
        taken.append(flights.landed.popleft())
    if not taken:
        return []
    writer = BatchWriter(worker.queue)
    try:
        for step, outcome in taken:
            if outcome.error is not None and outcome.error.type == INTERRUPTED_TYPE and policy_of(step) is not None:
                _release(step)  # it uses up no attempt
            else:
                writer.take(step, outcome)
        writer.write()
    except BaseException as error:
        if _Trouble.none or is_transient(error):
            # What was written is so for good: to end it again finds another attempt, or none.
            flights.landed.extendleft(reversed(taken))
        _Trouble.none = False  # one after the other now, so that one that cannot be written keeps back no other
        raise
    else:
        _Trouble.none = True
    finally:
        writer.close()
    worker.took()
    left = [step for step in writer.ready if not launch(step)]
    flights.all_launched()
    return left


class _Trouble:
    """Whether the last try to write what has landed went well."""

    none = True


def _release(step: ClaimedStep) -> None:
    """To be claimed anew, as if it had not been."""
    retrying(partial(_released, step, partial(attempts.release, seconds=0.0)))


def _released(step: ClaimedStep, release: Callable[[AttemptId], None]) -> None:
    with atomic():
        release(step.attempt_id)
        free_place(step.pool)
    wake(step.queue)


def top_up(worker: Worker) -> int:
    """Claim steps of the lanes of which there may be more, as there is room; how many."""
    count = 0
    for lane in tuple(flights.backlog):
        room = min(flights.room(lane), _BITE)
        if not room:
            continue
        step = retrying(partial(step_store.claim, worker.queue, worker.id, registry.pools, wake, lanes=(lane,)))
        if step is None:
            flights.backlog.discard(lane)
        else:
            count += 1 + begin(step, worker, room)
    return count


def begin(step: ClaimedStep, worker: Worker, room: int) -> int:
    """Begin a step that was claimed to be in flight, and up to ``room`` with it that run its function."""
    more = []
    if room > 1 and not step.pool and not step.lost:
        more = retrying(lambda: step_store.claim_more(worker.queue, worker.id, step.function, room - 1, step.lane))
    for each in [step, *more]:
        worker.took()
        announce.step_started(each)
        if not launch(each):
            _give_back(each)
    return len(more)


def _give_back(step: ClaimedStep) -> None:
    """To a main thread, which finds out what is the matter with it."""
    retrying(partial(_released, step, attempts.to_main_lane))


class Lander:
    """The thread that drives while the main thread does not."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._over = threading.Event()
        self._failure = RepeatedFailure()
        self._pause = _PAUSE
        self._looked_at = self._wrote_at = self._busy_at = 0.0
        self._has_connections = False
        self._thread = threading.Thread(target=self._run, name="django_workflows lander", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        draining.set(self._worker.id)
        flights.worker = self._worker.id
        while not self._over.is_set():
            flights.news.wait(self._pause_between_looks())
            flights.news.clear()
            try:
                self._turn()
                self._pause = _PAUSE
            except Exception as error:  # noqa: BLE001 - whatever it is, what has landed is not to be lost
                self._failure.tell(
                    logging.ERROR, error, "What was in flight could not be written; tried again", extra={}
                )
                drop_all()
                self._over.wait(self._pause)
                self._pause = min(_LONG_PAUSE, 2 * self._pause)
                flights.news.set()
        connections.close_all()

    def _pause_between_looks(self) -> float | None:
        if len(flights) or flights.landed:
            return _REPORTS
        return _IDLE if self._has_connections else None

    def _turn(self) -> None:
        while flights.landed or any(map(flights.room, tuple(flights.backlog))):
            with driving(shares=True), owning(alias()):
                flights.worker = self._worker.id
                draining.set(self._worker.id)
                for step in land(self._worker):
                    _give_back(step)
                if not flights.landed:
                    top_up(self._worker)
                flights.take_off()
        self._look()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._wrote_at >= _REPORTS and flights.has_reports:
            self._wrote_at = now
            write_reports()
        flights.look_at_loop()
        flights.write_off()
        if now - self._looked_at >= max(_LOOK, len(flights) * _LOOK_EACH):
            self._looked_at = now
            flights.cancel_unwanted()
        if len(flights):
            self._busy_at, self._has_connections = now, True
        elif now - self._busy_at >= _IDLE:
            flights.close_connections()
            connections.close_all()
            self._has_connections = False

    def close(self, seconds: float) -> None:
        """Wait so long for what is in flight, then interrupt it, and end the thread once all is written."""
        flights.closing = True
        with driving(shares=True):
            held = flights.give_back_held()
        for step in held:
            _release(step)
        _wait(lambda: not len(flights) and not flights.landed, seconds)
        if len(flights):
            flights.interrupt()
            _wait(lambda: not flights.landed and all(each.written_off for each in flights.those()), settings.LEASE)
        self._over.set()
        flights.news.set()
        self._thread.join(timeout=5)


def _wait(until: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not until() and time.monotonic() < deadline:
        flights.news.set()
        time.sleep(0.02)
