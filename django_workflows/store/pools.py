"""Places in pools: how many of a manager's steps run at once and begin in a span, counted exactly over all machines.

A step that finds no place waits without ``due_at``, so nobody looks at it; who frees a place makes the next one due.
Where the rate is what keeps them, time frees the next place: then one of those that wait is due when it comes, and
makes room for the others. All of it happens under the lock of the pool's row, which is always the last lock that a
transaction takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from ..core.pools import PoolLimits
from .claiming import skip_locked
from .database import (
    Moment,
    execute,
    execute_many,
    fetch_all,
    fetch_one,
    put_instant,
    read_duration,
    read_instant,
)
from .rows import POOL, POOL_START, STEP

#: Told of steps that were made due: their queue, in how many seconds, how many.
Wake = Callable[[str, float, int], None]

# In the words of the indexes, so that the databases find them.
_POOL = "pool = %s AND NOT (pool = '')"
_RUNNING = f"{_POOL} AND state IN ('queued', 'running') AND state = 'running'"
_DUE = f"{_POOL} AND state IN ('queued', 'running') AND state = 'queued' AND due_at <= "
_WAITING = f"{_POOL} AND state = 'queued' AND due_at IS NULL"


def lock(pool: str, limits: PoolLimits) -> PoolLimits:
    """Lock the pool until the end of the transaction; its limits, which are ``limits`` where its row has none."""
    sql = f"UPDATE {POOL} SET name = name WHERE name = %s RETURNING max_parallelism, rate_limit, rate_period"
    row = fetch_one(sql, [pool])
    if row is None:
        execute(f"INSERT INTO {POOL} (name) VALUES (%s) ON CONFLICT DO NOTHING", [pool])
        row = fetch_one(sql, [pool])
    assert row is not None
    return limits.overridden(row[0], row[1], read_duration(row[2]))


def admit(pool: str, limits: PoolLimits, step_id: int, wake: Wake) -> bool:
    """Whether a step that was just claimed may begin; if not, it is given back, to wait for its turn.

    ``limits`` hold where the pool's row has none. To be called in the transaction of the claim.
    """
    limits = lock(pool, limits)
    admitted = _has_place(pool, limits, step_id) and _begin(pool, limits)
    if not admitted:
        execute(
            f"UPDATE {STEP} SET state = 'queued', attempt = attempt - 1, due_at = NULL, started_at = NULL, "
            "claimed_by = '' WHERE id = %s",
            [step_id],
        )
    if limits.starts is not None:
        _promote(pool, limits, wake)
    return admitted


def promote(pool: str, limits: PoolLimits, wake: Wake) -> None:
    """Give free places to steps that wait, by priority, then first come, first served."""
    # The lock comes first: who finds no place at this moment still sees the step that is ending here as running.
    _promote(pool, lock(pool, limits), wake)


def _has_place(pool: str, limits: PoolLimits, step_id: int) -> bool:
    if limits.max_parallelism is None:
        return True
    row = fetch_one(f"SELECT count(*) FROM {STEP} WHERE {_RUNNING} AND id <> %s", [pool, step_id])
    return row is not None and row[0] < limits.max_parallelism


def _begin(pool: str, limits: PoolLimits) -> bool:
    """Note a start, if the rate allows one at this moment."""
    if limits.starts is None or limits.per is None:
        return True
    moment = Moment()
    if _started(pool, limits, moment)[0] >= limits.starts:
        return False
    execute(
        f"DELETE FROM {POOL_START} WHERE pool = %s AND at <= {moment.sql(-limits.per.total_seconds())}",
        [pool],
    )
    execute(f"INSERT INTO {POOL_START} (pool, at) VALUES (%s, {moment.sql()})", [pool])
    return True


def _started(pool: str, limits: PoolLimits, moment: Moment) -> tuple[int, datetime | None]:
    """How many steps began in the span that ends now, and when the next one may, if none may now."""
    assert limits.starts is not None
    assert limits.per is not None
    recent = f"FROM {POOL_START} WHERE pool = %s AND at > {moment.sql(-limits.per.total_seconds())}"
    row = fetch_one(
        f"SELECT (SELECT count(*) {recent}), (SELECT at {recent} ORDER BY at DESC LIMIT 1 OFFSET {limits.starts - 1})",
        [pool, pool],
    )
    assert row is not None
    oldest = read_instant(row[1])
    return row[0], None if oldest is None else oldest + limits.per


def _promote(pool: str, limits: PoolLimits, wake: Wake) -> None:
    moment = Moment()
    row = fetch_one(
        f"SELECT (SELECT count(*) FROM {STEP} WHERE {_RUNNING}), "
        f"(SELECT count(*) FROM {STEP} WHERE {_DUE}{moment.sql()}), {moment.sql()}",
        [pool, pool],
    )
    assert row is not None
    running, due, now = row
    frees, opens_at = [], None
    if limits.max_parallelism is not None:
        frees.append(limits.max_parallelism - running - due)
    if limits.starts is not None:
        started, opens_at = _started(pool, limits, moment)
        frees.append(limits.starts - started - due)
    known = None if limits.starts is None else _forget_next(pool, now)
    if min(frees) > 0:
        _make_due(pool, min(frees), now, now, wake)
    if opens_at is not None:
        _make_due(pool, 1, opens_at, now, wake, known)


def _forget_next(pool: str, now: Any) -> tuple[str, datetime | None] | None:
    """Let the step that comes next wait like the others: another may go first, or the limits may be others.

    Its queue, and when it would have been due.
    """
    # Steps that are delayed, or wait to be tried again, count as queued from the instant at which they are due.
    row = fetch_one(
        f"SELECT id, queue, due_at FROM {STEP} WHERE {_POOL} AND state IN ('queued', 'running') AND state = 'queued' "
        f"AND due_at > %s AND queued_at < due_at LIMIT 1{skip_locked()}",
        [pool, put_instant(read_instant(now))],
    )
    if row is None:
        return None
    execute(f"UPDATE {STEP} SET due_at = NULL WHERE id = %s AND state = 'queued'", [row[0]])
    return row[1], read_instant(row[2])


def _make_due(
    pool: str, count: int, due_at: Any, now: Any, wake: Wake, known: tuple[str, datetime | None] | None = None
) -> None:
    """``known`` is the queue and instant of which workers were told before."""
    # Rows that others hold are being claimed or given up, and who does that looks for who comes next when it has the
    # pool, for which it may be waiting here.
    due_at, now = read_instant(due_at), read_instant(now)
    rows = fetch_all(
        f"UPDATE {STEP} SET due_at = %s WHERE id IN (SELECT id FROM {STEP} WHERE {_WAITING} "
        f"ORDER BY priority DESC, queued_at, id LIMIT {count}{skip_locked()}) RETURNING queue",
        [put_instant(due_at), pool],
    )
    for queue, how_many in Counter(row[0] for row in rows).items():
        if known != (queue, due_at):
            wake(queue, (due_at - now).total_seconds(), how_many)


def make(names: Iterable[str]) -> None:
    """Make the rows of pools that have none."""
    execute_many(f"INSERT INTO {POOL} (name) VALUES (%s) ON CONFLICT DO NOTHING", [(name,) for name in names])
