"""Callbacks of finished workflows that failed."""

from __future__ import annotations

from uuid import UUID

from ..core.journal import WorkflowRecord
from .database import fetch_one, put_uuid
from .rows import WORKFLOW, WORKFLOW_COLUMNS, workflow_record


def lock_failed(workflow_id: UUID) -> WorkflowRecord | None:
    """Lock a finished workflow whose callback failed, and count a change; ``None`` if it is no such workflow."""
    row = fetch_one(
        f"UPDATE {WORKFLOW} SET version = version + 1 WHERE id = %s AND state <> 'in_progress' "
        f"AND on_complete_error IS NOT NULL RETURNING {WORKFLOW_COLUMNS}",
        [put_uuid(workflow_id)],
    )
    return None if row is None else workflow_record(row)
