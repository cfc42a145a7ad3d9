"""What a step function can know and say while it runs."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from asgiref.sync import AsyncToSync
from django.db import DatabaseError, InterfaceError

from ..core.excerpts import preview
from ..core.journal import AttemptId, ClaimedStep
from ..core.payloads import sanitize_text
from ..exceptions import WorkflowError
from ..store import attempts
from ..store.database import retrying
from ..store.transient import is_transient

logger = logging.getLogger("django_workflows")
T = TypeVar("T")

#: Seconds between two looks at the database by ``canceled()`` or two writes by ``report_progress``.
_PAUSE = 0.25


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

    def __repr__(self) -> str:
        return f"CurrentStep({self.name!r}, {self.idempotency_key!r}, attempt={self.attempt})"

    def __post_init__(self) -> None:
        # What an earlier attempt asked for was rolled back with it.
        self._step.cancels, self._step.sends = "", False

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
        if self._wanted and time.monotonic() - self._asked_at >= _PAUSE:
            self._asked_at = time.monotonic()
            self._wanted = self.in_transaction or _with_the_steps_connection(
                lambda: attempts.is_running(self.attempt_id)
            )
        return not self._wanted

    def report(self, done: float, total: float | None, message: str) -> None:
        last = total is not None and done >= total
        if not last and time.monotonic() - self._reported_at < _PAUSE:
            return
        self._reported_at = time.monotonic()
        progress = json.dumps([done, total, sanitize_text(message, 500)])
        try:
            _with_the_steps_connection(lambda: attempts.set_progress(self.attempt_id, progress))
        except (DatabaseError, InterfaceError) as error:
            if self.in_transaction or not is_transient(error):
                raise
            # An action that has done half of its work is not to fail for a number that nobody may look at.
            logger.warning("The progress of step %d (%s) could not be written", self.number, self.name, exc_info=True)


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
        raise WorkflowError("current_step() and report_progress() work only inside a function run as a workflow's step")
    return step


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond what a float can be
        return False


def report_progress(done: float, total: float | None = None, message: str = "") -> None:
    """Show how far the running step is, in status, API and admin, and renew its lease.

    Cheap to call often: it writes a few times a second, and always when ``done`` reaches ``total``. In a mutation it
    becomes visible when the mutation commits.
    """
    for value in (done, *(() if total is None else (total,))):
        if not _is_finite(value):
            raise ValueError(f"report_progress: finite numbers are needed, got {preview(value)}")
    current_step().report(done, total, str(message))
