"""Running attempts of steps: kept alive, watched, taken back. Each names its generation and number, as a fence."""

from __future__ import annotations

from ..conf import settings
from ..core.journal import AttemptId
from .database import execute, fetch_one, now_sql, put_uuid
from .rows import STEP, WORKFLOW

#: In the place of a worker's name: the step waits for code that knows its function.
ASIDE = "blocked"

_ITS_ATTEMPT = (
    f"workflow_id = %s AND (SELECT generation FROM {WORKFLOW} AS owner WHERE owner.id = workflow_id) = %s "
    "AND number = %s AND attempt = %s AND state = 'running'"
)


def _attempt_params(attempt: AttemptId) -> list[object]:
    return [put_uuid(attempt.workflow_id), *attempt[1:]]


def renew(attempt: AttemptId) -> bool:
    """Extend the lease of a running attempt; False if it is no longer this one's, and its outcome will be ignored."""
    return (
        execute(f"UPDATE {STEP} SET due_at = {now_sql(settings.LEASE)} WHERE {_ITS_ATTEMPT}", _attempt_params(attempt))
        == 1
    )


def is_running(attempt: AttemptId) -> bool:
    """Whether that attempt is still wanted: neither dropped, nor canceled, nor given to another worker."""
    row = fetch_one(
        f"SELECT 1 FROM {STEP} AS step JOIN {WORKFLOW} AS workflow ON workflow.id = step.workflow_id "
        "WHERE step.workflow_id = %s AND workflow.generation = %s AND number = %s AND attempt = %s "
        "AND step.state = 'running' AND workflow.state = 'in_progress' AND workflow.cancel_requested_at IS NULL",
        _attempt_params(attempt),
    )
    return row is not None


def set_progress(attempt: AttemptId, progress: str) -> bool:
    """Show how far a running attempt is, and renew its lease."""
    return (
        execute(
            f"UPDATE {STEP} SET progress = %s, due_at = {now_sql(settings.LEASE)} WHERE {_ITS_ATTEMPT}",
            [progress, *_attempt_params(attempt)],
        )
        == 1
    )


def release(attempt: AttemptId, seconds: float) -> None:
    """Give an attempt back that was not begun, as if its step had not been claimed, to be claimed after ``seconds``."""
    execute(
        f"UPDATE {STEP} SET state = 'queued', attempt = attempt - 1, due_at = {now_sql(seconds)}, claimed_by = '', "
        f"started_at = NULL WHERE {_ITS_ATTEMPT}",
        _attempt_params(attempt),
    )


def set_aside(attempt: AttemptId, seconds: float) -> None:
    """As ``release``, of a step whose function is not known here: other code may take it before, see ``steps``."""
    execute(
        f"UPDATE {STEP} SET state = 'queued', attempt = attempt - 1, due_at = {now_sql(seconds)}, "
        f"claimed_by = '{ASIDE}', started_at = NULL WHERE {_ITS_ATTEMPT}",
        _attempt_params(attempt),
    )


def take_back(attempt: AttemptId, worker: str) -> str | None:
    """Queue again, as if it had not been claimed, what a worker that is gone held and had not begun; its queue."""
    row = fetch_one(
        f"UPDATE {STEP} SET state = 'queued', attempt = attempt - 1, due_at = {now_sql()}, claimed_by = '', "
        f"started_at = NULL WHERE {_ITS_ATTEMPT} AND claimed_by = %s RETURNING queue",
        [*_attempt_params(attempt), worker],
    )
    return None if row is None else str(row[0])
