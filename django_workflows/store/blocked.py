"""Workflows that are blocked: writes it, reads it, and selects them.

Blocked is a workflow in progress with a message. What advances it clears the message alone, so that a turn writes no
more than it must; reason and instants are those of the last time until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from ..conf import settings
from ..core.blocked import Blocked, BlockedReason, reason_of
from ..core.journal import WorkflowRecord, WorkflowState
from ..models import Workflow
from .claiming import of_known_logic, one_of, skip_locked
from .database import Moment, execute, fetch_all, fetch_one, is_postgresql, now_sql, put_uuid, read_instant
from .rows import WORKFLOW, WORKFLOW_COLUMNS, workflow_record

#: Letters of the fingerprints that a row keeps: of the last eight.
_CODES = 8 * 13

#: In the words of the index that serves it.
BLOCKED = Q(state=WorkflowState.IN_PROGRESS) & ~Q(blocked_message="")
#: What a queryset of rows must have read for ``blocked_of``.
COLUMNS = ("state", "blocked_message", "blocked_reason", "blocked_at", "blocked_checked_at")


def block(
    workflow_id: UUID,
    reason: BlockedReason,
    message: str,
    *,
    seconds: float | None,
    deliveries: int = 0,
    version: int | None = None,
    code: str = "",
) -> None:
    """Say why a workflow in progress is blocked, and look at it again after ``seconds`` (``None``: when it is woken).

    While it stays blocked for the same reason it is blocked since the first time. ``version`` is the one that was
    looked at: where it is another by now, whoever wrote meanwhile may have set a wake-up, which is kept. ``code`` is
    the fingerprint of the code that does not match.
    """
    moment = Moment()
    later = "NULL" if seconds is None else moment.sql(seconds)
    due, counted = later, "%s"
    if version is not None:
        least = "LEAST" if is_postgresql() else "min"
        due = f"CASE WHEN version = {int(version)} THEN {later} ELSE COALESCE({least}(due_at, {later}), due_at) END"
        counted = f"CASE WHEN version = {int(version)} THEN %s ELSE deliveries END"
    execute(
        f"UPDATE {WORKFLOW} SET due_at = {due}, claimed_by = '', deliveries = {counted}, version = version + 1, "
        f"blocked_at = CASE WHEN problem <> '' AND blocked_reason = %s THEN COALESCE(blocked_at, {moment.sql()}) "
        f"ELSE {moment.sql()} END, blocked_checked_at = {moment.sql()}, blocked_codes = CASE WHEN problem = '' "
        f"THEN %s WHEN blocked_codes LIKE %s THEN blocked_codes ELSE {_last_of('blocked_codes')} END, "
        "blocked_reason = %s, problem = %s WHERE id = %s AND state = 'in_progress'",
        [
            deliveries,
            str(reason),
            code,
            f"%{code}%",
            f" {code}",
            str(reason),
            message,
            put_uuid(workflow_id),
        ],
    )


def _last_of(column: str) -> str:
    """What is kept of a list of fingerprints when another one is added, which is a parameter."""
    added = f"{column} || %s"
    return f"right({added}, {_CODES})" if is_postgresql() else f"substr({added}, -{_CODES})"


def _resumable(queue: str, code: str, names: Sequence[str]) -> tuple[str, list[Any]]:
    """The condition of those that wait for other code than found them blocked, are nobody's and not due."""
    marks = ", ".join(["%s"] * len(names))
    where = (
        f"state = 'in_progress' AND NOT (problem = '') AND queue = %s AND claimed_by = '' "
        f"AND (due_at IS NULL OR due_at > {now_sql()}) "
        f"AND blocked_reason IN ('code_mismatch', 'unknown_definition', '') AND blocked_codes NOT LIKE %s "
        f"AND name IN ({marks}){of_known_logic()}"
    )
    return where, [queue, f"%{code}%", *names]


def has_resumable(queue: str, code: str, names: Sequence[str]) -> bool:
    """Whether workflows with these names are blocked that this code has not looked at."""
    if not names:
        return False
    where, params = _resumable(queue, code, names)
    return fetch_one(f"SELECT 1 FROM {WORKFLOW} WHERE {where} LIMIT 1", params) is not None


def claim_resumable(queue: str, worker: str, code: str, names: Sequence[str], limit: int) -> list[WorkflowRecord]:
    """Take up to ``limit`` of them, for the length of a lease, past those who would take them once they are due."""
    where, params = _resumable(queue, code, names)
    some = f"SELECT id FROM {WORKFLOW} WHERE {where} ORDER BY id LIMIT %s{skip_locked()}"
    rows = fetch_all(
        f"UPDATE {WORKFLOW} SET due_at = {now_sql(settings.LEASE)}, deliveries = deliveries + 1, claimed_by = %s "
        f"WHERE id {one_of(some)} RETURNING {WORKFLOW_COLUMNS}",
        [worker, *params, limit],
    )
    return [workflow_record(row) for row in rows]


def not_advanced(workflow_id: UUID) -> None:
    """It is one of its steps that waits for code: its claim was no delivery of a turn."""
    execute(
        f"UPDATE {WORKFLOW} SET deliveries = deliveries - 1 WHERE id = %s AND deliveries > 0", [put_uuid(workflow_id)]
    )


def look_at_now(workflow_id: UUID) -> None:
    """Have a worker look at a blocked workflow now, with all its deliveries before it. The caller has locked it."""
    execute(
        f"UPDATE {WORKFLOW} SET due_at = {now_sql()}, claimed_by = '', deliveries = 0, version = version + 1 "
        "WHERE id = %s AND state = 'in_progress'",
        [put_uuid(workflow_id)],
    )


def blocked_of(workflow: Workflow) -> Blocked | None:
    """Why this workflow is blocked; ``None`` if it is not."""
    if workflow.state != WorkflowState.IN_PROGRESS or not workflow.blocked_message:
        return None
    return Blocked(
        reason_of(workflow.blocked_reason),
        workflow.blocked_message,
        workflow.blocked_at,
        workflow.blocked_checked_at,
    )


def read_blocked(workflow_id: UUID) -> Blocked | None:
    """Why the workflow of that id is blocked now; ``None`` if it is not, or there is none."""
    row = fetch_one(
        f"SELECT blocked_reason, problem, blocked_at, blocked_checked_at FROM {WORKFLOW} "
        "WHERE id = %s AND state = 'in_progress' AND NOT (problem = '')",
        [put_uuid(workflow_id)],
    )
    if row is None:
        return None
    return Blocked(reason_of(row[0]), row[1], read_instant(row[2]), read_instant(row[3]))


def only_blocked(rows: QuerySet[Workflow], *reasons: BlockedReason) -> QuerySet[Workflow]:
    """Those of ``rows`` that are blocked, for one of these reasons if any are given."""
    found = rows.filter(BLOCKED)
    if not reasons:
        return found
    return found.filter(blocked_reason__in=[*reasons, ""] if reason_of("") in reasons else reasons)
