"""Requests to cancel, noted on the rows of workflows and of their children."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from .database import Moment, execute, fetch_all, fetch_one, now_sql, put_uuid, read_uuid
from .rows import WORKFLOW


def request(workflow_id: UUID) -> None:
    """Note that a workflow is to be canceled; the caller has locked it."""
    execute(
        f"UPDATE {WORKFLOW} SET cancel_requested_at = {now_sql()} WHERE id = %s AND cancel_requested_at IS NULL",
        [put_uuid(workflow_id)],
    )


def note_told(workflow_id: UUID, number: int) -> None:
    """Note that the handler is told now, before it asks for step ``number``; the caller has locked the workflow."""
    execute(f"UPDATE {WORKFLOW} SET canceled_at_step = %s WHERE id = %s", [number, put_uuid(workflow_id)])


def is_requested(workflow_id: UUID) -> bool:
    """Whether a workflow is to be canceled, or was."""
    row = fetch_one(
        f"SELECT 1 FROM {WORKFLOW} WHERE id = %s AND (cancel_requested_at IS NOT NULL OR state = 'canceled')",
        [put_uuid(workflow_id)],
    )
    return row is not None


def came_too_late(workflow_id: UUID) -> str | None:
    """How a workflow has ended by itself, before its handler could be told of the cancellation; else ``None``."""
    row = fetch_one(
        f"SELECT state FROM {WORKFLOW} WHERE id = %s AND state IN ('completed', 'failed') AND canceled_at_step IS NULL",
        [put_uuid(workflow_id)],
    )
    return None if row is None else str(row[0])


def request_for_children(parent: UUID, numbers: Sequence[int] | None) -> set[str]:
    """Have the running children of these steps (``None``: of all) take a turn that cancels them; their queues."""
    which, params = "", [put_uuid(parent)]
    if numbers is not None:
        which = f" AND parent_step IN ({', '.join('%s' for _ in numbers)})"
        params += numbers
    moment = Moment()
    rows = fetch_all(
        f"UPDATE {WORKFLOW} SET cancel_requested_at = {moment.sql()}, due_at = {moment.sql()}, version = version + 1 "
        f"WHERE parent_id = %s{which} AND state = 'in_progress' AND cancel_requested_at IS NULL RETURNING queue",
        params,
    )
    return {row[0] for row in rows}


def requested_children(parents: Sequence[UUID]) -> list[UUID]:
    """Running children of these workflows that were asked to cancel."""
    if not parents:
        return []
    rows = fetch_all(
        f"SELECT id FROM {WORKFLOW} WHERE parent_id IN ({', '.join('%s' for _ in parents)}) "
        "AND state = 'in_progress' AND cancel_requested_at IS NOT NULL",
        [put_uuid(parent) for parent in parents],
    )
    return [found for row in rows if (found := read_uuid(row[0])) is not None]
