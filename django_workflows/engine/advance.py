"""Takes a turn: brings the handler to life, hands it what is new, and writes what it asks for in one transaction."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from ..conf import settings
from ..core.blocked import BlockedReason
from ..core.commands import Raised
from ..core.entries import WorkflowEnd
from ..core.excerpts import sanitize_text
from ..core.journal import ClaimedStep, WorkflowRecord, WorkflowState
from ..core.logic import is_known
from ..core.registry import registry
from ..exceptions import DeterminismViolation, HandlerStuck, InvalidArguments, InvalidPayload, WorkflowError
from ..store import journals, workflows
from ..store.blocked import block
from ..store.database import atomic, retrying
from .after_turn import after_writing
from .alone import can_stand_alone, stands_alone
from .bounds import closing_on_error, handler_limits
from .captured import ContextFailed
from .continue_as_new import continue_as_new
from .ends import (
    TurnVoid,
    block_unknown,
    end_locked,
    end_without_cleanup,
    force_below,
    leave_to_others,
    mismatch,
    stop,
    without_context,
)
from .guard import explained
from .inside import concerning
from .lead import lead_first
from .live import LiveHandler, live_handlers, new_replay
from .log_fields import of_workflow
from .turn import Turn

logger = logging.getLogger("django_workflows")

#: How the message begins of a workflow that is retried no more.
_IN_VAIN = "claimed in vain"


def advance(claimed: WorkflowRecord, queue: str | None) -> ClaimedStep | None:
    """Take the turn of a workflow that was claimed; returns a step for this worker to run, if there is one.

    ``queue`` is the one that it serves, ``None`` if it takes no step.
    """
    if claimed.deliveries > settings.MAX_DELIVERIES:
        _give_up(claimed)
        return None
    try:
        if claimed.started_at is None and can_stand_alone():
            return _first_turn(claimed, queue)
        return take_turn(claimed.id, claimed.generation, queue)
    except TurnVoid:
        return None
    except (DeterminismViolation, InvalidArguments, InvalidPayload, HandlerStuck, ContextFailed) as error:
        if not _end_canceled(claimed, f"{type(error).__name__}: {error}"):
            _hinder(claimed, error)
    except Exception as error:
        about = of_workflow(claimed.id, claimed.name)
        logger.exception("The turn of workflow %s %s failed", claimed.name, claimed.id, extra=about)
        delay = min(60.0, 0.5 * 2**claimed.deliveries)
        message = sanitize_text(f"{type(error).__name__}: {error}", 2000)
        retrying(lambda: _block(claimed, message, delay, claimed.deliveries))
    return None


def _hinder(claimed: WorkflowRecord, error: WorkflowError) -> None:
    if isinstance(error, HandlerStuck):
        stop(claimed, error)
    elif isinstance(error, ContextFailed):
        without_context(claimed, error)
    else:
        mismatch(claimed, error)


def _give_up(claimed: WorkflowRecord) -> None:
    """Block a workflow that no worker advances, so that it is not claimed again by itself."""
    if _end_canceled(claimed, claimed.blocked_message):
        return
    times, silent = claimed.deliveries - 1, "no error was seen, so the worker itself went away (killed? out of memory?)"
    seen = claimed.blocked_message or silent
    if not seen.startswith(_IN_VAIN):
        seen = f"{_IN_VAIN} {times} times: each time the worker died, or this failed: {seen}"
    about = of_workflow(claimed.id, claimed.name)
    reason = BlockedReason.CRASH_LOOP
    logger.error("Workflow %s %s is blocked (%s): %s", claimed.name, claimed.id, reason, seen, extra=about)
    _block(claimed, seen, None, times)


def _end_canceled(claimed: WorkflowRecord, why: str) -> bool:
    """End a workflow that is to be canceled and was blocked before, so that its handler is never told; if it is."""
    if claimed.cancel_requested_at is None or not claimed.blocked_message:
        return False

    def change() -> None:
        with atomic():
            locked = workflows.lock(claimed.id, claimed.generation)
            if locked is not None:
                end_without_cleanup(*locked, why)

    retrying(change)
    return True


def _block(claimed: WorkflowRecord, message: str, seconds: float | None, deliveries: int) -> None:
    reason, version = BlockedReason.CRASH_LOOP, claimed.version
    block(claimed.id, reason, message, seconds=seconds, deliveries=deliveries, version=version)


def _first_turn(claimed: WorkflowRecord, queue: str | None) -> ClaimedStep | None:
    """The first turn of a workflow, from the row as it was claimed: without a lock, unless the turn needs one."""
    try:
        turn = lead_first(claimed)
        with closing_on_error(turn.live):
            return write_somehow(turn, queue)
    except TurnVoid:
        return take_turn(claimed.id, claimed.generation, queue)


def write_somehow(turn: Turn, queue: str | None) -> ClaimedStep | None:
    """Write a turn that was taken without a lock, in a transaction where it needs one."""
    if can_stand_alone() and stands_alone(turn):
        return retrying(lambda: write(turn, queue))

    def change() -> ClaimedStep | None:
        with atomic():
            return write_in_transaction(turn, queue)

    with concerning(turn.workflow.id):
        return retrying(change)


def write_in_transaction(turn: Turn, queue: str | None) -> ClaimedStep | None:
    """Write a turn that was taken without a lock, in the caller's transaction. ``TurnVoid`` if it is repeated."""
    if turn.tried:
        raise TurnVoid  # its inline steps cannot be run again, they have been handed over
    turn.tried = True
    if turn.needs_database:
        locked = workflows.lock(turn.workflow.id, turn.workflow.generation)
        if locked is None or locked[0].delivered != turn.workflow.delivered:
            raise TurnVoid
        if turn.record.exact and locked[0].version != turn.record.expected_version + 1:
            raise TurnVoid
        turn.record.expected_version = locked[0].version
    return write(turn, queue)


def take_turn(
    workflow_id: UUID, generation: int | None, queue: str | None, *, strict: bool = False
) -> ClaimedStep | None:
    """Lock a workflow and take its turn. ``queue``: let this worker, which serves it, run one of the new steps itself.

    ``strict`` raises what the handler raises, for a start that wants to know. Raises ``TurnVoid`` when the workflow is
    not running any more, and what replay raises.
    """

    def change() -> ClaimedStep | None:
        with atomic():
            locked = workflows.lock(workflow_id, generation)
            if locked is None:
                raise TurnVoid
            return locked_turn(*locked, queue=queue, strict=strict)

    with concerning(workflow_id):
        return retrying(change)


def locked_turn(
    workflow: WorkflowRecord, at: datetime, *, queue: str | None, strict: bool = False, cancel_first: bool = False
) -> ClaimedStep | None:
    """The turn of a workflow that the caller has locked, at the database's time ``at``, in the caller's transaction.

    ``cancel_first``: a request to cancel came before what has ended since the last turn, not after it.
    """
    if not is_known(workflow.logic):
        leave_to_others(workflow)
        return None
    definition = registry.get(workflow.name)
    if definition is None:
        if workflow.cancel_requested_at is not None and workflow.blocked_message:
            end_without_cleanup(workflow, at, workflow.blocked_message)
        else:
            block_unknown(workflow)
        return None
    if workflow.cancel_requested_at is not None and workflow.started_at is None:
        end_locked(workflow, at, WorkflowEnd(WorkflowState.CANCELED))
        return None
    live = live_handlers.take(workflow)
    if live is None:
        live = LiveHandler(new_replay(definition, workflow, at), workflow)
    turn = Turn(workflow, live, at)
    with closing_on_error(live):
        with handler_limits(definition):
            records = journals.load(
                workflow.id,
                from_number=live.replay.next_number,
                numbers=list(live.replay.open),
                delivered=live.replay.delivered,
            )
            live.replay.catch_up(
                records,
                fresh=workflow.started_at is None,
                reopened=workflow.reopened,
                canceled_at=workflow.canceled_at_delivery,
            )
            turn.absorb()
            if cancel_first:
                turn.obey()
            turn.deliver_recorded(records)
            turn.obey()
        return write(turn, queue, strict=strict)


def write(turn: Turn, queue: str | None, *, strict: bool = False) -> ClaimedStep | None:
    """Settle and write a turn, in the caller's transaction. Raises ``TurnVoid``, and then all must be rolled back."""
    if turn.needs_database:
        with handler_limits(turn.definition):
            turn.settle()
    if turn.forced:
        _end_by_force(turn)
        return None
    if strict and turn.continuing is None:
        ending = turn.replay.ending()
        if isinstance(ending, Raised):
            raise explained(ending.error)
    if turn.continuing is not None:
        continue_as_new(turn, turn.continuing)
        return None
    if queue is not None:
        turn.pick(queue)
    written = journals.write_turn(turn.finish())
    if written is None:
        raise TurnVoid
    return after_writing(turn, *written)


def _end_by_force(turn: Turn) -> None:
    """Write a turn whose inline step canceled the workflow by force: with that step, and without what came after."""
    turn.record.ending, turn.record.forced = WorkflowEnd(WorkflowState.CANCELED), True
    written = journals.write_turn(turn.finish())
    if written is None:
        raise TurnVoid
    after_writing(turn, *written)
    force_below(turn.workflow.id)
