"""Claims of several workflows at once, and of those that were claimed so and are given back."""

from __future__ import annotations

from ..conf import settings
from ..core.journal import WorkflowRecord
from .claiming import due_order, not_waited_for, of_known_logic, one_of, skip_locked
from .database import Moment, clock, fetch_one, now_sql, put_uuid
from .prepared import run_all
from .rows import WORKFLOW, WORKFLOW_COLUMNS, workflow_record


def claim_more(queue: str, worker: str, priority: int, limit: int) -> list[WorkflowRecord]:
    """Take up to ``limit`` more workflows that are due, of one priority, to be led beside one that was claimed.

    Only such as nobody holds or has held since they last got on: one whose turn kills its worker must not be counted
    against its neighbours, each of which is thus held beside others once at the most before it gets on.
    """
    moment = Moment()
    others = (
        f"SELECT id FROM {WORKFLOW} WHERE queue = %s AND priority = %s AND due_at <= {moment.sql()} "
        f"AND deliveries = 0{of_known_logic()} ORDER BY {due_order()} LIMIT %s{skip_locked()}"
    )
    rows = run_all(
        f"UPDATE {WORKFLOW} SET due_at = {moment.sql(settings.LEASE)}, deliveries = 1, claimed_by = %s "
        f"WHERE id {one_of(others)} RETURNING {WORKFLOW_COLUMNS}{not_waited_for()}, {moment.sql()}",
        [worker, queue, priority, limit],
    )
    for row in rows[:1]:
        clock.read(row[-1])
    return [workflow_record(row) for row in rows]


def release(claimed: WorkflowRecord, worker: str) -> str | None:
    """Give back a workflow whose turn was not begun, as if it had not been claimed; its queue.

    ``None``, and nothing is changed, if it is no longer this worker's, or somebody else has written since.
    """
    row = fetch_one(
        f"UPDATE {WORKFLOW} SET due_at = {now_sql()}, deliveries = deliveries - 1, claimed_by = '' "
        "WHERE id = %s AND generation = %s AND version = %s AND deliveries = %s AND claimed_by = %s "
        "AND state = 'in_progress' RETURNING queue",
        [put_uuid(claimed.id), claimed.generation, claimed.version, claimed.deliveries, worker],
    )
    return None if row is None else str(row[0])
