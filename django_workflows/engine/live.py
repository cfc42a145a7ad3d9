"""Keeps waiting handlers in this process's memory, so that the next turn here goes on without replay."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from ..conf import settings
from ..core.definitions import Definition
from ..core.journal import ClaimedStep, WorkflowRecord
from ..core.limits import Limits
from ..core.replay import Replay
from ..store.after_commit import after_commit
from ..store.database import connection
from .captured import surroundings
from .deadlines import DeadlineReached
from .dispatch import interrupts


class LiveHandler:
    """A handler in memory, with its workflow as it stood after its last turn here.

    ``waits`` are the instants at which its open waits are over, by number.
    """

    def __init__(self, replay: Replay, workflow: WorkflowRecord) -> None:
        self.replay = replay
        self.workflow = workflow
        self.waits: dict[int, datetime] = {}

    def next_wait(self) -> datetime | None:
        """The earliest end of a wait that is still open."""
        open_steps = self.replay.open
        self.waits = {number: due for number, due in self.waits.items() if number in open_steps}
        return min(self.waits.values(), default=None)


class LiveHandlers:
    """A bounded store of them, least recently used out first. Whoever takes one out is its only user."""

    #: None is kept, so that every turn replays from zero. Set by ``django_workflows.testing`` only.
    none_kept = False

    def __init__(self) -> None:
        self._handlers: OrderedDict[UUID, LiveHandler] = OrderedDict()

    def take(self, record: WorkflowRecord) -> LiveHandler | None:
        """The handler of this workflow, if it is here and has not seen more than its journal holds."""
        live = self._handlers.pop(record.id, None)
        if live is None:
            return None
        if live.workflow.generation != record.generation or live.replay.delivered > record.delivered:
            live.replay.close()
            return None
        return live

    def take_waiting(self, step: ClaimedStep) -> LiveHandler | None:
        """The handler of this step's workflow, if it is here and waits for this step alone."""
        live = self._handlers.get(step.workflow_id)
        if live is None or live.workflow.generation != step.generation or live.replay.open.keys() != {step.number}:
            return None
        return self._handlers.pop(step.workflow_id, None)  # another thread may have been faster

    def peek(self, workflow_id: UUID) -> LiveHandler | None:
        """The handler of this workflow, left where it is; it may have seen less than its journal holds."""
        return self._handlers.get(workflow_id)

    def keep(self, workflow_id: UUID, live: LiveHandler) -> None:
        """Put a waiting handler back."""
        self._handlers[workflow_id] = live
        self._handlers.move_to_end(workflow_id)
        while len(self._handlers) > settings.LIVE_HANDLERS:
            _, oldest = self._handlers.popitem(last=False)
            oldest.replay.close()

    def keep_after_commit(self, workflow_id: UUID, live: LiveHandler) -> None:
        """Put a waiting handler back once the transaction is committed; until then it is ahead of its journal."""
        if self.none_kept:
            live.replay.close()
        elif not connection().in_atomic_block:
            self.keep(workflow_id, live)
        else:
            after_commit(partial(self.keep, workflow_id, live))

    def drop(self, workflow_id: UUID) -> None:
        live = self._handlers.pop(workflow_id, None)
        if live is not None:
            live.replay.close()

    def clear(self) -> None:
        while self._handlers:
            self.drop(next(iter(self._handlers)))

    def __len__(self) -> int:
        return len(self._handlers)


live_handlers = LiveHandlers()


def limits() -> Limits:
    """What the project's settings allow one turn."""
    return Limits(
        asks=settings.MAX_STEPS_PER_TURN,
        payload_bytes=settings.MAX_PAYLOAD_BYTES,
        interrupts=(DeadlineReached, *interrupts()),
    )


def new_replay(definition: Definition[Any, Any], workflow: WorkflowRecord, at: datetime | None = None) -> Replay:
    """The handler of a workflow, not begun; ``at`` is the time of its first turn, if it had none yet."""
    started_at = workflow.started_at or at
    assert started_at is not None
    return Replay(
        definition,
        workflow.id,
        workflow.args,
        started_at,
        limits(),
        continuations=workflow.continuations,
        logic=workflow.logic,
        scheduled_for=workflow.scheduled_for,
        surroundings=surroundings(workflow.captured),
    )
