"""Running attempts of steps: kept alive, watched, taken back. Each names its generation and number, as a fence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..conf import settings
from ..core.journal import AttemptId, Lane
from .database import atomic, execute, fetch_all, fetch_one, is_postgresql, now_sql, put_uuid
from .rows import STEP, WORKFLOW

#: In the place of a worker's name: the step waits for code that knows its function.
ASIDE = "blocked"

_ITS_ATTEMPT = (
    f"workflow_id = %s AND (SELECT generation FROM {WORKFLOW} AS owner WHERE owner.id = workflow_id) = %s "
    "AND number = %s AND attempt = %s AND state = 'running'"
)


_THEIRS = (
    "step.workflow_id = g_workflow AND number = g_number AND attempt = g_attempt AND step.state = 'running' "
    f"AND (SELECT generation FROM {WORKFLOW} AS whose WHERE whose.id = step.workflow_id) = g_generation"
)
#: How many attempts one statement names.
_AT_ONCE = 500


def _attempt_params(attempt: AttemptId) -> list[object]:
    return [put_uuid(attempt.workflow_id), *attempt[1:]]


def renew(attempt: AttemptId) -> bool:
    """Extend the lease of a running attempt; False if it is no longer this one's, and its outcome will be ignored."""
    return (
        execute(f"UPDATE {STEP} SET due_at = {now_sql(settings.LEASE)} WHERE {_ITS_ATTEMPT}", _attempt_params(attempt))
        == 1
    )


def renew_many(those: Sequence[AttemptId]) -> None:
    """Extend the leases of running attempts, but for those that are no longer these ones'."""
    lease = now_sql(settings.LEASE)
    if is_postgresql():
        for some in batched(those):
            execute(f"UPDATE {STEP} AS step SET due_at = {lease} FROM {_given()} WHERE {_THEIRS}", list(_columns(some)))
        return
    with atomic():
        for attempt in those:
            execute(f"UPDATE {STEP} SET due_at = {lease} WHERE {_ITS_ATTEMPT}", _attempt_params(attempt))


def unwanted(those: Sequence[AttemptId]) -> set[AttemptId]:
    """Those of these attempts that nobody wants any more; see ``is_running``."""
    if not is_postgresql():
        return {attempt for attempt in those if not is_running(attempt)}
    wanted: set[AttemptId] = set()
    for some in batched(those):
        rows = fetch_all(
            f"SELECT workflow_id, generation, number, attempt FROM {STEP} AS step JOIN {WORKFLOW} AS owner "
            f"ON owner.id = step.workflow_id, {_given()} WHERE {_THEIRS} AND owner.state = 'in_progress' "
            "AND owner.cancel_requested_at IS NULL",
            list(_columns(some)),
        )
        wanted |= {AttemptId(*row) for row in rows}
    return set(those) - wanted


def adopt(those: Sequence[AttemptId], former: str, worker: str) -> None:
    """Let running attempts that one worker has claimed be another's, which goes on with them."""
    with atomic():
        for attempt in those:
            execute(
                f"UPDATE {STEP} SET claimed_by = %s WHERE {_ITS_ATTEMPT} AND claimed_by = %s",
                [worker, *_attempt_params(attempt), former],
            )


def batched(those: Sequence[AttemptId]) -> Iterator[Sequence[AttemptId]]:
    """In parts that a statement takes quickly, so that no lock is held for long."""
    return (those[begin : begin + _AT_ONCE] for begin in range(0, len(those), _AT_ONCE))


def _given() -> str:
    return (
        "unnest(%s::uuid[], %s::int[], %s::int[], %s::int[]) AS given (g_workflow, g_generation, g_number, g_attempt)"
    )


def _columns(those: Sequence[AttemptId]) -> Iterator[list[object]]:
    return (list(column) for column in zip(*those, strict=True))


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


def to_main_lane(attempt: AttemptId) -> None:
    """As ``release``, of a step that no event loop takes: a worker's main thread is to look at it."""
    execute(
        f"UPDATE {STEP} SET state = 'queued', attempt = attempt - 1, due_at = {now_sql()}, claimed_by = '', "
        f"started_at = NULL, lane = {int(Lane.MAIN)} WHERE {_ITS_ATTEMPT}",
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
