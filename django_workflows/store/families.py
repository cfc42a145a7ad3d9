"""In which order the rows of parents and children are locked: from the top, so that nobody waits for each other.

A workflow that ends has locked its own row when it comes to its parent's. Where somebody has that one, it lets go of
everything and begins again with the parent's.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

from ..core.journal import WorkflowRecord
from .database import fetch_one, is_postgresql, put_uuid
from .repeats import LockFirst, may_repeat
from .rows import WORKFLOW
from .workflows import lock


def lock_parent(workflow_id: UUID) -> tuple[WorkflowRecord, datetime] | None:
    """``workflows.lock`` for who has locked a child of this workflow. Raises ``LockFirst`` instead of waiting."""
    if is_postgresql() and may_repeat():
        row = fetch_one(
            f"SELECT (SELECT state FROM {WORKFLOW} WHERE id = %s), "
            f"(SELECT 1 FROM {WORKFLOW} WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED)",
            [put_uuid(workflow_id)] * 2,
        )
        if row is not None and row[0] == "in_progress" and row[1] is None:
            raise LockFirst(partial(_lock_row, workflow_id))
    return lock(workflow_id)


def _lock_row(workflow_id: UUID) -> None:
    fetch_one(f"SELECT 1 FROM {WORKFLOW} WHERE id = %s FOR NO KEY UPDATE", [put_uuid(workflow_id)])
