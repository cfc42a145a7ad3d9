"""Starts workflows, in the caller's transaction."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ..conf import settings
from ..core.commands import check_name, check_priority
from ..core.definitions import Definition
from ..core.durations import Duration, aware, to_seconds
from ..core.entries import NewWorkflow
from ..core.keys import ScopedKey
from ..core.payloads import codec_for
from ..core.registry import registry
from ..exceptions import InvalidArguments, InvalidStep, WorkflowAlreadyRunning
from ..models import uuid7
from ..store import workflows
from ..store.database import atomic, clock, retrying
from ..store.new_workflows import insert
from . import announce, tracing
from .advance import take_turn
from .alone import can_stand_alone
from .callbacks import callback_path, seal
from .captured import capture
from .dispatch import channel, queue_name, wake
from .inside import refuse_to_write

#: Seconds after a start for which the next ones say in transactions of their own that there is work: those that notify
#: are committed one after the other.
_SELDOM = 0.025


class _Latest:
    """When this process started a workflow last."""

    at = -math.inf


@dataclass(frozen=True, slots=True)
class StartOptions:
    """What ``with_options`` or ``start`` may say of a workflow.

    ``on_complete``: a dotted path or module-level function, called as ``(workflow_id, result, context)``. ``context``:
    any JSON value for it. ``idempotency_key``: the same again gives the first workflow's id. ``key``: only one workflow
    of this definition and key runs at a time; ``if_running`` says what another start does, "return" the id of the
    running one or "raise" ``WorkflowAlreadyRunning``. ``run_at``, ``run_after``: begin later. ``start_async=False``:
    run the handler to its first wait at once, here. ``retain_for``: how long the workflow is kept once it ended.
    ``queue``: the django-q2 cluster that runs it. ``priority``: -100 to 100, higher first.
    """

    on_complete: str | Callable[..., Any] | None = None
    context: Any = None
    idempotency_key: str | None = None
    key: str | None = None
    if_running: str = "return"
    run_at: datetime | None = None
    run_after: Duration | None = None
    start_async: bool = True
    retain_for: Duration | None = None
    queue: str | None = None
    priority: int | None = None

    def derive(self, **changes: Any) -> StartOptions:
        """A copy with ``changes``; ``InvalidArguments`` for an unknown option or a bad value."""
        unknown = changes.keys() - self.__slots__
        if unknown:
            raise InvalidArguments(f"start: unknown option {min(unknown)!r}; there are {', '.join(self.__slots__)}")
        derived = replace(self, **changes)
        try:
            derived._check()
        except InvalidStep as error:
            raise InvalidArguments(f"start: {error}") from None
        return derived

    def _check(self) -> None:
        for name in ("run_after", "retain_for"):
            if getattr(self, name) is not None:
                to_seconds(getattr(self, name), what=name)
        for name in ("idempotency_key", "key", "queue"):
            if getattr(self, name) is not None and not isinstance(getattr(self, name), ScopedKey):
                check_name(getattr(self, name), what=name)
        if self.priority is not None:
            check_priority(self.priority)
        if self.if_running not in ("return", "raise"):
            raise InvalidStep(f'if_running must be "return" or "raise", got {self.if_running!r}')
        self._check_times()

    def _check_times(self) -> None:
        if self.run_at is not None:
            aware(self.run_at, what="run_at")
            if self.run_after is not None:
                raise InvalidStep("run_at and run_after exclude each other")
        if not self.start_async and (self.run_at is not None or self.run_after is not None):
            raise InvalidStep("start_async=False runs the handler at once, so it takes neither run_at nor run_after")


def start(definition: Definition[Any, Any], args: str, options: StartOptions) -> UUID:
    """Store a workflow, as part of the caller's transaction if there is one; returns its id.

    ``args`` is the JSON text of valid arguments. Workers begin with it after the commit. With ``start_async=False`` the
    handler runs to its first wait before this returns, and what it raises is raised here and leaves nothing behind.
    """
    return start_or_find(definition, args, options)[0]


def start_by_name(
    name: str, args: str, options: StartOptions, *, scheduled_for: datetime, queue: str, priority: int
) -> UUID:
    """As ``start``, whether this process's code defines a workflow of that name or not, and whatever it takes.

    The workflow waits, blocked, until a worker whose code knows it comes; until then it is in ``queue``, with
    ``priority``. ``scheduled_for`` is the time of the schedule that starts it.
    """
    known = registry.get(name)
    if known is not None:
        queue, priority = known.queue, known.priority
    with tracing.starting(name) as started:
        new = _new_workflow(name, args, options, started.context, queue=queue, priority=priority)
        new.scheduled_for = scheduled_for
        workflow_id = _start(new, options)
        started.made(workflow_id)
    return workflow_id


def start_or_find(definition: Definition[Any, Any], args: str, options: StartOptions) -> tuple[UUID, bool]:
    """As ``start``; also whether it is a new one, and not the workflow that has its key already."""
    refuse_to_write("start")
    with tracing.starting(definition.name) as started:
        new = new_workflow(definition, args, options, started.context)
        workflow_id = _start(new, options)
        started.made(workflow_id)
    return workflow_id, workflow_id == new.id


def _start(new: NewWorkflow, options: StartOptions) -> UUID:
    alone = options.start_async and can_stand_alone()
    told = _channel_of_one(options) if alone else ""

    def change() -> UUID:
        while not insert(new, told):
            taken = _taken(new, options)
            if taken is not None:
                return taken
        announce.workflow_started(new.id, new.name)
        if not options.start_async:
            take_turn(new.id, 1, None, strict=True)
        elif not told:
            wake(new.queue, delay_of(options))
        return new.id

    def whole() -> UUID:
        with atomic():
            return change()

    return retrying(change if alone else whole)


def _channel_of_one(options: StartOptions) -> str:
    """Where a start that is one statement says that there is work, which its worker then hears sooner; "": not so."""
    now = time.monotonic()
    seldom, _Latest.at = now - _Latest.at >= _SELDOM, now
    return channel() if seldom and delay_of(options) <= 0 else ""


def _taken(new: NewWorkflow, options: StartOptions) -> UUID | None:
    """The workflow that has this one's key; or this one itself, if the answer to its commit was lost.

    ``None`` if whoever had the key has ended, or was cleaned up, meanwhile.
    """
    if workflows.version(new.id) is not None:
        return new.id
    if new.idempotency_key is not None:
        first = workflows.find_by_idempotency_key(new.name, new.idempotency_key)
        if first is not None:
            return first
    running = None if new.key is None else workflows.find_running(new.name, new.key)
    if running is not None and options.if_running == "raise":
        raise WorkflowAlreadyRunning(f"a workflow {new.name} with the key {new.key!r} is running: {running}")
    return running


def new_workflow(definition: Definition[Any, Any], args: str, options: StartOptions, trace: str) -> NewWorkflow:
    """What a start with these options stores. ``DuplicateDefinition`` where it is not the only one of its name."""
    registry.refuse_duplicate(definition.name)
    queue, priority = definition.queue, definition.priority
    return _new_workflow(definition.name, args, options, trace, queue=queue, priority=priority)


def _new_workflow(name: str, args: str, options: StartOptions, trace: str, *, queue: str, priority: int) -> NewWorkflow:
    retain = None if options.retain_for is None else to_seconds(options.retain_for, what="retain_for")
    context = None
    if options.context is not None:
        context = codec_for(Any).encode(
            options.context, what=f"context of {name}", max_bytes=settings.MAX_PAYLOAD_BYTES
        )
    path, workflow_id = callback_path(options.on_complete), uuid7()
    return NewWorkflow(
        id=workflow_id,
        name=name,
        args=args,
        queue=queue_name(queue if options.queue is None else options.queue),
        priority=priority if options.priority is None else options.priority,
        idempotency_key=options.idempotency_key,
        key=options.key,
        on_complete=path,
        on_complete_seal=seal(workflow_id, path),
        context=context,
        delay=None if options.run_after is None else to_seconds(options.run_after, what="run_after"),
        run_at=options.run_at,
        retain_for=None if retain is None else timedelta(seconds=retain),
        trace=trace,
        captured=capture(),
    )


def delay_of(options: StartOptions) -> float:
    """Seconds from now until a workflow with these options begins."""
    if options.run_at is not None:
        return (options.run_at - clock.estimate()).total_seconds()
    return 0.0 if options.run_after is None else to_seconds(options.run_after, what="run_after")
