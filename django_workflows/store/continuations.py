"""Empties the journal of a workflow that continues as new."""

from __future__ import annotations

from uuid import UUID

from ..core.entries import TurnRecord
from ..core.logic import KNOWN
from ..core.plain_json import size_of
from . import cancellation
from .database import clock, execute, fetch_one, now_sql, put_uuid
from .journals import end_steps
from .rows import EVENT, STEP, WORKFLOW


def begin_anew(turn: TurnRecord, args: str) -> bool:
    """Give the workflow these arguments and an empty journal, due now; False if the turn is void.

    It is void for the reasons for which ``write_turn`` is. Children that still run are asked to cancel, and are no
    longer this workflow's: their numbers will be those of other steps.
    """
    workflow_id = put_uuid(turn.workflow_id)
    row = fetch_one(
        f"UPDATE {WORKFLOW} SET args = %s, generation = generation + 1, continuations = continuations + 1, "
        "version = version + 1, delivered = 0, deliveries = 0, claimed_by = '', problem = '', started_at = NULL, "
        f"logic = {KNOWN}, "
        f"journal_bytes = %s, due_at = {now_sql()} WHERE id = %s AND generation = %s AND state = 'in_progress' "
        f"AND delivered = %s AND cancel_requested_at IS NULL RETURNING {now_sql()}",
        [args, size_of(args), workflow_id, turn.generation, turn.expected_delivered],
    )
    if row is None or not end_steps(turn.workflow_id, turn.step_ends, clock.read(row[0]), turn.at):
        return False
    cancellation.request_for_children(turn.workflow_id, None)
    execute(f"UPDATE {WORKFLOW} SET parent_id = NULL, parent_step = NULL WHERE parent_id = %s", [workflow_id])
    execute(
        f"DELETE FROM {EVENT} WHERE workflow_id = %s AND state = 'consumed' AND idempotency_key IS NULL", [workflow_id]
    )
    # Its sender may repeat itself. It belongs to no step any more, whose numbers begin anew.
    execute(f"UPDATE {EVENT} SET step = NULL WHERE workflow_id = %s AND state = 'consumed'", [workflow_id])
    execute(f"DELETE FROM {STEP} WHERE workflow_id = %s", [workflow_id])
    return True


def has_parent(workflow_id: UUID) -> bool:
    """Whether it is the child of a step; no longer, where its parent continued as new."""
    row = fetch_one(f"SELECT 1 FROM {WORKFLOW} WHERE id = %s AND parent_id IS NOT NULL", [put_uuid(workflow_id)])
    return row is not None
