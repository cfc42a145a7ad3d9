"""What a turn brings about once it is written: whom it wakes, what it ends, and that its handler is kept."""

from __future__ import annotations

from datetime import datetime

from ..core.journal import ClaimedStep, StepState
from ..store import cancellation
from . import announce
from .alone import may_have_children
from .complete import complete
from .dispatch import wake
from .live import live_handlers
from .pace import pace
from .pools import free_place
from .turn import Turn


def after_writing(turn: Turn, now: datetime, version: int) -> ClaimedStep | None:
    """What a turn that was written at ``now`` brings about, in the same transaction; the step that this worker runs."""
    record, mine = turn.record, turn.mine
    # Before the handler is set aside, which knows them, and before a callback that may restart this workflow, whose new
    # children are not meant.
    cancel_children(turn)
    _remember(turn, version, now)
    announce.turn(turn, mine)
    if record.first:
        pace.note_first(turn.workflow.name, record.new_steps)
    if record.ending is not None:
        # Written between this turn's reading and its writing: it may have been an event.
        turn.workflow.has_events |= version != record.expected_version + 1
        complete(turn.workflow, record.ending, now, turn.never_awaited)
    if record.dropped or record.ending is not None:
        free_place(turn.definition.pool)
    _wake_others(turn)
    return mine if record.ending is None else None


def _remember(turn: Turn, version: int, now: datetime) -> None:
    """Keep the handler for its next turn, if it waits; not before the commit, for until then it is ahead of it."""
    record, live = turn.record, turn.live
    if record.ending is not None:
        live.replay.close()
        return
    workflow = turn.workflow
    workflow.version, workflow.delivered = version, record.delivered
    workflow.started_at = workflow.started_at or record.at
    workflow.journal_bytes += record.grown_bytes
    if record.canceled_at_delivery is not None:
        workflow.canceled_at_delivery = record.canceled_at_delivery
    live.workflow = workflow
    turn.remember_waits(now)
    live_handlers.keep_after_commit(workflow.id, live)


def cancel_children(turn: Turn) -> None:
    """Ask the children of steps that were given up to cancel; at the workflow's end, all that still run."""
    numbers = None if turn.record.ending is not None else turn.record.dropped
    if numbers or (numbers is None and may_have_children(turn)):
        for queue in cancellation.request_for_children(turn.workflow.id, numbers):
            wake(queue)


def _wake_others(turn: Turn) -> None:
    """Wake workers for what this one does not do itself: further steps, children, and waits that are over soon."""
    record = turn.record
    due = [(new.queue, new.delay, new.run_at) for new in record.new_steps if new.state == StepState.QUEUED]
    due += [(child.queue, child.delay, child.run_at) for child in record.children]
    due += [
        (turn.workflow.queue, new.delay, new.run_at)
        for new in record.new_steps
        if new.state == StepState.WAITING and (new.delay is not None or new.run_at is not None)
    ]
    by_queue: dict[str, list[float]] = {}
    for queue, delay, run_at in due:
        seconds = (run_at - record.at).total_seconds() if run_at is not None else delay or 0.0
        by_queue.setdefault(queue, []).append(seconds)
    for queue, waits in by_queue.items():
        first = min(waits)
        wake(queue, first, sum(wait <= first for wait in waits))
