"""Places in pools: how many of a manager's steps run at once, counted exactly over all machines.

A step that finds no place waits without ``due_at``, so nobody looks at it; who frees a place makes the next one due.
Both happen under the lock of the pool's row, which is always the last lock that a transaction takes.
"""

from __future__ import annotations

from .database import Moment, execute, fetch_all, fetch_one
from .rows import POOL, STEP

_WAITING = "pool = %s AND state = 'queued' AND due_at IS NULL"


def _limit(pool: str, default: int) -> int:
    """Lock the pool until the end of the transaction; how many of its steps may run at once."""
    lock = f"UPDATE {POOL} SET name = name WHERE name = %s RETURNING max_parallelism"
    row = fetch_one(lock, [pool])
    if row is None:
        execute(f"INSERT INTO {POOL} (name) VALUES (%s) ON CONFLICT DO NOTHING", [pool])
        row = fetch_one(lock, [pool])
    assert row is not None
    return default if row[0] is None else int(row[0])


def admit(pool: str, default: int, step_id: int) -> bool:
    """Whether a step that was just claimed has a place; if not, it is given back, to wait for one.

    ``default`` is the limit where the pool's row has none. To be called in the transaction of the claim.
    """
    limit = _limit(pool, default)
    row = fetch_one(f"SELECT count(*) FROM {STEP} WHERE pool = %s AND state = 'running' AND id <> %s", [pool, step_id])
    if row is not None and row[0] < limit:
        return True
    execute(
        f"UPDATE {STEP} SET state = 'queued', attempt = attempt - 1, due_at = NULL, started_at = NULL, claimed_by = '' "
        "WHERE id = %s",
        [step_id],
    )
    return False


def promote(pool: str, default: int) -> dict[str, int]:
    """Give free places to steps that wait, by priority, then first come, first served; how many, by queue."""
    # The lock comes first: who finds no place at this moment still sees the step that is ending here as running.
    limit = _limit(pool, default)
    moment = Moment()
    row = fetch_one(
        f"SELECT count(*) FROM {STEP} WHERE pool = %s "
        f"AND (state = 'running' OR (state = 'queued' AND due_at <= {moment.sql()}))",
        [pool],
    )
    free = limit - (0 if row is None else int(row[0]))
    if free <= 0:
        return {}
    promoted: dict[str, int] = {}
    for (queue,) in fetch_all(
        f"UPDATE {STEP} SET due_at = {moment.sql()} WHERE id IN (SELECT id FROM {STEP} WHERE {_WAITING} "
        f"ORDER BY priority DESC, queued_at, id LIMIT {free}) RETURNING queue",
        [pool],
    ):
        promoted[queue] = promoted.get(queue, 0) + 1
    return promoted
