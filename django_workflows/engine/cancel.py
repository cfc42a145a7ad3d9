"""Cancels a workflow: its handler may clean up, its children are canceled with it."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from ..core.blocked import Blocked, BlockedReason
from ..core.journal import WorkflowRecord
from ..core.registry import registry
from ..exceptions import DeterminismViolation, HandlerStuck, InvalidArguments, InvalidPayload, WorkflowNotRunning
from ..store import cancellation, workflows
from ..store.blocked import read_blocked
from ..store.database import atomic
from ..store.once import once
from ..store.transient import is_transient
from .advance import locked_turn, take_turn
from .captured import ContextFailed
from .ends import TurnVoid, end_by_force, end_without_cleanup
from .inside import BY_FORCE, GRACEFULLY, mutation_of, note_cancel, writes
from .observe import read

logger = logging.getLogger("django_workflows")

#: What blocks a workflow whose handler would do to this process what it did to its workers.
_DANGEROUS = (BlockedReason.CRASH_LOOP, BlockedReason.STUCK)

#: How many workflows below a canceled one are taken through their own cancellation at once; workers do the rest.
_AT_ONCE = 1000
#: Why a handler cannot be run now; it may be, with other code.
_HINDRANCES = (DeterminismViolation, HandlerStuck, InvalidArguments, InvalidPayload, ContextFailed)


@writes
def cancel(workflow_id: UUID, *, force: bool = False) -> None:
    """Cancel a workflow and all its children.

    The handler gets ``CancelledError`` where it waits, before this returns; one that does nothing about it has ended
    then, one that runs clean-up steps ends after them. One that is blocked and cannot be replayed is ended without its
    clean-up, which its status and the log say. With ``force`` no handler is run. Canceling again while it cleans up
    changes nothing. Raises ``WorkflowNotFound`` or ``WorkflowNotRunning``, and changes nothing then; the latter also
    when a step's end was first, and the handler has ended with it, before it could be told.

    A mutation may cancel its own workflow, or one above it: that takes effect with the mutation's end, in its
    transaction, and is undone with it.
    """
    if not once(lambda: _cancel_one(workflow_id, force), lambda: cancellation.is_requested(workflow_id) or None):
        record = read(workflow_id)
        raise WorkflowNotRunning(f"workflow {workflow_id} is {record.state}, so it cannot be canceled")
    if not force:
        _tell_below(workflow_id)
    note_cancel()
    if force:
        return
    ended = cancellation.came_too_late(workflow_id)
    if ended is not None:
        raise WorkflowNotRunning(f"workflow {workflow_id} {ended} before it could be told to cancel")


def _cancel_one(workflow_id: UUID, force: bool) -> bool:
    locked = workflows.lock(workflow_id)
    if locked is None:
        return False
    workflow, now = locked
    mutation = mutation_of(workflow_id)
    if mutation is not None:
        cancellation.request(workflow_id)
        mutation.cancels = BY_FORCE if force else mutation.cancels or GRACEFULLY
    elif force:
        end_by_force(workflow, now)
    elif workflow.cancel_requested_at is None or workflow.blocked_message:
        if workflow.cancel_requested_at is None:
            cancellation.request(workflow_id)
            workflow.cancel_requested_at = now
        blocked = read_blocked(workflow_id) if workflow.blocked_message else None
        if blocked is None:
            _turn(workflow, now)
        else:
            _end_blocked(workflow, now, blocked)
    return True


def _turn(workflow: WorkflowRecord, now: datetime) -> None:
    """Have the handler told. If its code does not match its journal, the request stays, and is told when it does."""
    try:
        with atomic():
            locked_turn(workflow, now, queue=None)
    except _HINDRANCES as error:
        _could_not_be_told(workflow.id, error)
        workflows.make_due(workflow.id)


def _end_blocked(workflow: WorkflowRecord, now: datetime, blocked: Blocked) -> None:
    """Have the handler of a blocked workflow told, if the code here can run it; else end it without."""
    why = f"{blocked.reason}: {blocked.message}"
    if blocked.reason not in _DANGEROUS and registry.get(workflow.name) is not None:
        try:
            with atomic():
                locked_turn(workflow, now, queue=None)
            return
        except TurnVoid:
            raise
        except Exception as error:
            if is_transient(error):
                raise
            why = f"{type(error).__name__}: {error}"
    end_without_cleanup(workflow, now, why)


def _could_not_be_told(workflow_id: UUID, error: Exception) -> None:
    message = "Workflow %s is to be canceled, but its handler cannot be run: %s"
    logger.warning(message, workflow_id, error, extra={"workflow_id": str(workflow_id)})


def _tell_below(workflow_id: UUID) -> None:
    """Walk down the tree, level by level."""
    level, left = [workflow_id], _AT_ONCE
    while level and left > 0:
        level = cancellation.requested_children(level)[:left]
        left -= len(level)
        for child in level:
            _tell(child)


def _tell(workflow_id: UUID) -> None:
    if mutation_of(workflow_id) is not None:
        return  # it is told with the end of that
    try:
        take_turn(workflow_id, None, None)
    except TurnVoid:
        pass
    except _HINDRANCES as error:
        _could_not_be_told(workflow_id, error)
