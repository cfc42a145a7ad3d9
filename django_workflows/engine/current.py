"""What a step function can know and say while it runs."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from asgiref.sync import AsyncToSync
from django.db import DatabaseError, InterfaceError

from ..core.journal import AttemptId, ClaimedStep
from ..core.progress import Progress, reported
from ..exceptions import WorkflowError
from ..store import attempts
from ..store.database import retrying
from ..store.transient import is_transient

logger = logging.getLogger("django_workflows")
T = TypeVar("T")

#: Seconds between two looks at the database by ``canceled()`` or two writes by ``report_progress``.
_PAUSE = 0.25

#: What was reported too soon after the last time, or by a thread without the step's connection; for ``write_reports``.
unwritten: dict[AttemptId, Progress] = {}
#: Held while one is written, so that no older report is written over it.
_writing = threading.Lock()


@dataclass(repr=False, slots=True)
class CurrentStep:
    """The attempt that is running.

    ``attempt`` counts from 1. ``idempotency_key`` is the same for all attempts of this step, and no other step's: hand
    it to whoever must not do a thing twice, a payment provider for example.
    """

    _step: ClaimedStep
    in_transaction: bool = False
    _asked_at: float = -math.inf
    _wanted: bool = True
    _reported_at: float = -math.inf
    _reached: bool = False
    _thread: int = field(default_factory=threading.get_ident)
    #: Whether nobody wants the attempt any more, where its worker looks after that.
    _unwanted: Callable[[], bool] | None = None

    def __repr__(self) -> str:
        return f"CurrentStep({self.name!r}, {self.idempotency_key!r}, attempt={self.attempt})"

    @property
    def step(self) -> ClaimedStep:
        return self._step

    @property
    def kind(self) -> str:
        return self._step.kind

    @property
    def attempt_id(self) -> AttemptId:
        return self._step.attempt_id

    @property
    def name(self) -> str:
        return self._step.name

    @property
    def workflow_name(self) -> str:
        return self._step.workflow_name

    @property
    def idempotency_key(self) -> str:
        return self._step.idempotency_key

    @property
    def workflow_id(self) -> UUID:
        return self._step.workflow_id

    @property
    def number(self) -> int:
        return self._step.number

    @property
    def attempt(self) -> int:
        return self._step.attempt

    def canceled(self) -> bool:
        """Whether nobody wants this attempt any more; for long loops, cheap to ask often."""
        if self._unwanted is not None:
            return self._unwanted()
        if self._wanted and time.monotonic() - self._asked_at >= _PAUSE:
            self._asked_at = time.monotonic()
            self._wanted = self.in_transaction or _with_the_steps_connection(
                lambda: attempts.is_running(self.attempt_id)
            )
        return not self._wanted

    def report(self, progress: Progress) -> None:
        """Show how far it is. What comes soon after the last report is kept, for the heartbeat or the next one."""
        if self._unwanted is not None:
            unwritten[self.attempt_id] = progress  # its worker writes it in a moment: here others would wait for that
            return
        last = progress.reached and not self._reached
        soon = time.monotonic() - self._reported_at < _PAUSE
        if (soon and not last) or not self._has_connection():
            if not self.in_transaction:
                unwritten[self.attempt_id] = progress
            return
        self._reported_at, self._reached = time.monotonic(), progress.reached
        try:
            _with_the_steps_connection(partial(_write, self.attempt_id, progress))
        except (DatabaseError, InterfaceError) as error:
            if self.in_transaction or not is_transient(error):
                raise
            # An action that has done half of its work is not to fail for a number that nobody may look at.
            logger.warning("The progress of step %d (%s) could not be written", self.number, self.name, exc_info=True)

    def end(self) -> None:
        """The function has returned: there is nobody to be told any more."""
        unwritten.pop(self.attempt_id, None)

    def _has_connection(self) -> bool:
        """Whether this is the thread that began the step, or its event loop's, and no other one that it started."""
        if threading.get_ident() == self._thread:
            return True
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True


class _Here(threading.local):
    """How the attempt that this thread runs learns that nobody wants it, if its worker looks after that."""

    unwanted: Callable[[], bool] | None = None


here = _Here()


def _write(attempt: AttemptId, progress: Progress) -> None:
    with _writing:
        unwritten.pop(attempt, None)
        attempts.set_progress(attempt, progress.dump())


def write_reports() -> None:
    """Write what steps of this process reported and could not write; called with each heartbeat, in its thread."""
    for attempt in list(unwritten):
        with _writing:
            progress = unwritten.pop(attempt, None)
            if progress is not None:
                attempts.set_progress(attempt, progress.dump())


def _with_the_steps_connection(change: Callable[[], T]) -> T:
    """Run ``change`` in the thread that began the step: an async function's loop has another, and no transaction."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return retrying(change)
    executor = getattr(AsyncToSync.executors, "current", None) or AsyncToSync.loop_thread_executors.get(loop)
    if executor is None:
        # A loop that is nobody's here, a notebook's say, in the thread that began the step.
        return retrying(change)
    return executor.submit(retrying, change).result()


_current: ContextVar[CurrentStep | None] = ContextVar("django_workflows_current_step", default=None)


def running_step() -> CurrentStep | None:
    """The step whose function is running here, ``None`` outside of one."""
    return _current.get()


def current_step() -> CurrentStep:
    """The step whose function is running; ``WorkflowError`` outside of one."""
    step = _current.get()
    if step is None:
        raise WorkflowError(
            "current_step() and report_progress() work only inside a function run as a workflow's step. For a thread "
            "that it starts take context = contextvars.copy_context() in the function, and call context.run(...) there."
        )
    return step


def report_progress(done: Any, total: Any = None, message: object = "") -> None:
    """Show how far the running step is, in status, API and admin, and renew its lease.

    ``done`` and ``total`` are numbers of any type, from 0 to 2**53; ``done`` may exceed ``total``. Of a message of more
    than 500 characters the middle is left out, and a note in its place says how much. Cheap to call often: it writes a
    few times a second, and always when ``done`` reaches ``total``; what it has not written when the function goes on
    with something long is shown some seconds later. In a mutation it becomes visible when the mutation commits. Raises
    ``ValueError`` for what is no such number, ``WorkflowError`` outside of a step.
    """
    progress = reported(done, total, message)
    current_step().report(progress)
