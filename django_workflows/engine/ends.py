"""Ends or blocks a workflow without asking its handler."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from ..conf import settings
from ..core.blocked import BlockedReason
from ..core.commands import Outcome
from ..core.entries import TurnRecord, WorkflowEnd
from ..core.excerpts import sanitize_text
from ..core.journal import WorkflowRecord, WorkflowState
from ..core.logic import unknown_logic
from ..core.outcomes import failure_of
from ..core.registry import registry
from ..exceptions import CleanupSkipped, HandlerStuck, WorkflowError
from ..store import cancellation, journals, workflows
from ..store.blocked import block, read_blocked
from ..store.database import atomic, clock, retrying
from .bounds import OutOfTime
from .captured import ContextFailed
from .complete import complete
from .deployed_code import code
from .dispatch import wake
from .inside import BY_FORCE, mutation_of
from .live import live_handlers
from .log_fields import of_workflow
from .pools import free_place

logger = logging.getLogger("django_workflows")

#: Seconds until a workflow whose handler does not wait is retried, at first and at the most.
_STUCK_LEAST, _STUCK_MOST = 5.0, 600.0
#: The same where what the setting ``CONTEXT`` names fails.
_CONTEXT_LEAST, _CONTEXT_MOST = 1.0, 60.0
#: Seconds until a blocked workflow is looked at again, in case matching code was deployed.
BLOCKED_SECONDS = 60.0
#: An unknown name is first taken for a rolling deploy, in which some workers still run the older code.
UNKNOWN_SECONDS = 15.0


class TurnVoid(Exception):
    """Somebody else went ahead; what this turn did must not be written."""


class Undone(Exception):
    """A mutation has failed, so that the transaction in which it was run must be rolled back."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("a mutation has failed")
        self.outcome = outcome


def mismatch(workflow: WorkflowRecord, error: WorkflowError) -> None:
    """What the project wants done about a journal that does not match its code: block the workflow, or fail it."""
    if settings.ON_MISMATCH == "fail":
        fail(workflow.id, workflow.generation, error)
        return
    about = of_workflow(workflow.id, workflow.name)
    reason = BlockedReason.CODE_MISMATCH
    logger.error("Workflow %s %s is blocked (%s): %s", workflow.name, workflow.id, reason, error, extra=about)
    version, seconds = workflow.version, BLOCKED_SECONDS
    retrying(lambda: block(workflow.id, reason, str(error), seconds=seconds, version=version, code=code()))


def stop(workflow: WorkflowRecord, error: HandlerStuck) -> None:
    """End the workflow of a handler that does not wait; where it ran out of time, only block it, and retry it later.

    After as long as it is blocked already, so each time is twice as long; others have the worker meanwhile.
    """
    if not isinstance(error, OutOfTime):
        fail(workflow.id, workflow.generation, error)
        return
    _block_for_longer(workflow, BlockedReason.STUCK, error, _STUCK_LEAST, _STUCK_MOST)


def without_context(workflow: WorkflowRecord, error: ContextFailed) -> None:
    """Block a workflow whose turn could not be surrounded with what was captured, and retry it, however often."""
    _block_for_longer(workflow, BlockedReason.CRASH_LOOP, error, _CONTEXT_LEAST, _CONTEXT_MOST)


def _block_for_longer(
    workflow: WorkflowRecord, reason: BlockedReason, error: WorkflowError, least: float, most: float
) -> None:
    """Block it, until as much time has passed again as since it was first blocked for this reason."""
    seconds, before = least, read_blocked(workflow.id)
    if before is not None and before.reason == reason and before.since is not None:
        seconds = min(most, max(least, (clock.estimate() - before.since).total_seconds()))
    about = of_workflow(workflow.id, workflow.name)
    logger.error("Workflow %s %s is blocked (%s): %s", workflow.name, workflow.id, reason, error, extra=about)
    message = sanitize_text(str(error), 2000)
    retrying(lambda: block(workflow.id, reason, message, seconds=seconds, version=workflow.version))


def block_unknown(workflow: WorkflowRecord) -> None:
    message = (
        f"no workflow is defined under the name {workflow.name!r} in this worker. It resumes once code that defines it "
        "is deployed."
    )
    reason = BlockedReason.UNKNOWN_DEFINITION
    about = of_workflow(workflow.id, workflow.name)
    logger.warning("Workflow %s %s is blocked (%s): %s", workflow.name, workflow.id, reason, message, extra=about)
    block(workflow.id, reason, message, seconds=UNKNOWN_SECONDS, code=code())


def leave_to_others(workflow: WorkflowRecord) -> None:
    """Have a workflow that a newer version started advanced by that version's workers, which find it due."""
    about = of_workflow(workflow.id, workflow.name)
    logger.info("Workflow %s is left to others: %s", workflow.id, unknown_logic(workflow.logic), extra=about)
    workflows.make_due(workflow.id)
    wake(workflow.queue)


def fail(workflow_id: UUID, generation: int | None, error: BaseException) -> None:
    """End a workflow with an error, whatever its handler would say."""
    end(workflow_id, generation, WorkflowEnd(WorkflowState.FAILED, error=failure_of(error)))


def end(workflow_id: UUID, generation: int | None, ending: WorkflowEnd) -> bool:
    """End a running workflow without its handler; False if it is not running."""

    def change() -> bool:
        with atomic():
            locked = workflows.lock(workflow_id, generation)
            if locked is not None:
                end_locked(*locked, ending)
            return locked is not None

    return retrying(change)


def end_locked(workflow: WorkflowRecord, at: datetime, ending: WorkflowEnd) -> None:
    """End a workflow that the caller has locked, without its handler, with all its children."""
    live_handlers.drop(workflow.id)
    record = TurnRecord(
        workflow_id=workflow.id,
        generation=workflow.generation,
        at=at,
        expected_version=workflow.version,
        expected_delivered=workflow.delivered,
        delivered=workflow.delivered,
        forced=True,
        ending=ending,
    )
    written = journals.write_turn(record)
    if written is None:
        raise TurnVoid
    for queue in cancellation.request_for_children(workflow.id, None):
        wake(queue)
    complete(workflow, ending, written[0])
    definition = registry.get(workflow.name)
    free_place(definition.pool if definition is not None else "")


def end_without_cleanup(workflow: WorkflowRecord, at: datetime, why: str) -> None:
    """Cancel a blocked workflow that the caller has locked; its handler cannot be run, so it does not clean up."""
    message = f"canceled without its clean-up, since its function could not be run: {why}"
    about = of_workflow(workflow.id, workflow.name)
    logger.warning("Workflow %s %s was %s", workflow.name, workflow.id, message, extra=about)
    end_locked(workflow, at, WorkflowEnd(WorkflowState.CANCELED, error=failure_of(CleanupSkipped(message))))


def end_by_force(workflow: WorkflowRecord, now: datetime) -> None:
    """End a workflow that the caller has locked, and all below it, without asking a handler."""
    end_locked(workflow, now, WorkflowEnd(WorkflowState.CANCELED))
    force_below(workflow.id)


def force_below(workflow_id: UUID) -> None:
    """End the whole tree, in the transaction that ends its top: should we die, no worker runs a handler of it.

    By the request alone, which ``end_locked`` leaves on the children, workers would let their handlers clean up.
    """
    level = [workflow_id]
    while level:
        level = cancellation.requested_children(level)
        for child in level:
            mutation = mutation_of(child)
            if mutation is not None:
                mutation.cancels = BY_FORCE
                continue
            locked = workflows.lock(child)
            if locked is not None:
                end_locked(*locked, WorkflowEnd(WorkflowState.CANCELED))
