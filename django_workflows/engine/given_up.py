"""Passes events on that came to a wait which the handler gave up before it was told of them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime
from uuid import UUID

from ..core.entries import StepEnd
from ..core.journal import StepKind, StepRecord, StepState
from ..core.replay import Replay
from ..store import events as event_store
from ..store import journals


def is_given_up(record: StepRecord, replay: Replay) -> bool:
    """Whether an event came to this wait, for which nobody waits any more."""
    heard = record.number in replay.open and replay.ending() is None
    return record.kind == StepKind.EVENT and record.due_at is None and not heard


def pass_on(
    workflow_id: UUID, record: StepRecord, records: Sequence[StepRecord], replay: Replay, at: datetime
) -> list[StepRecord]:
    """Take the event from a wait that was given up, as if it had come a moment later.

    The first other wait for it, which is returned, has it now; without one it is kept. The caller has locked the
    workflow.
    """
    open_steps: Container[int] = replay.open if replay.ending() is None else ()
    given_back = event_store.give_back(workflow_id, record.number)
    if given_back is None:
        return []
    event_id, name = given_back
    for function in (event_store.function_of(None, event_id), event_store.function_of(name, None)):
        for other in records:
            waits = other.state == StepState.WAITING and other.kind == StepKind.EVENT and other.number in open_steps
            if waits and other.function == function:
                event_store.consume(event_id, other.number)
                end = StepEnd(other.number, record.state, record.result, record.error)
                journals.end_wait(workflow_id, end, at)
                other.state, other.result, other.error, other.due_at = record.state, record.result, record.error, None
                return [other]
    return []
