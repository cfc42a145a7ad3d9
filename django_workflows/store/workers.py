"""Which worker processes are alive."""

from __future__ import annotations

from datetime import timedelta

from ..conf import settings
from ..core.excerpts import sanitize_text
from .database import Moment, atomic, execute, fetch_all, fetch_one, now_sql, read_instant
from .listening import followed_sql, note
from .rows import STEP, WORKER, WORKFLOW
from .workflows import live

#: Seconds that work which may be to blame for its worker's failure waits, at the most.
_LONGEST = 60.0


def beat(
    worker: str, host: str, pid: int, role: str, queue: str, doing: str, *, worked: float | None = None, done: int = 0
) -> None:
    """Say that this process is alive, what it is doing, how many seconds ago it last took work, and how much so far."""
    moment = Moment()
    worked_at = "NULL" if worked is None else moment.sql(-worked)
    row = fetch_one(
        f"INSERT INTO {WORKER} (id, host, pid, role, queue, doing, started_at, seen_at, worked_at, done) "
        f"VALUES (%s, %s, %s, %s, %s, %s, {moment.sql()}, {moment.sql()}, {worked_at}, %s) "
        "ON CONFLICT (id) DO UPDATE SET doing = excluded.doing, seen_at = excluded.seen_at, "
        f"worked_at = excluded.worked_at, done = excluded.done RETURNING {followed_sql()}",
        [worker, host, pid, role, queue, sanitize_text(doing, 500), done],
    )
    note(bool(row and row[0]))


def of_machine(machine: str) -> list[str]:
    """The ids of the workers that are known on a machine, of which its name is a part."""
    rows = fetch_all(f"SELECT id FROM {WORKER} WHERE id LIKE %s", [f"%:{machine}:%"])
    return [row[0] for row in rows]


def give_back(worker: str, *, patiently: bool = False) -> dict[str, float]:
    """Forget a worker that is gone, and end the leases of what it held; by queue, in how many seconds that is due.

    Whoever takes it next finds an attempt that was lost, as if the lease had run out: at once, or, ``patiently``,
    after a second, and after twice as long with each attempt or delivery: it may be why the worker failed.
    """
    queues: dict[str, float] = {}
    tables = ((STEP, "state = 'running'", "attempt"), (WORKFLOW, "state = 'in_progress'", "deliveries"))
    with atomic():
        for table, held, count in tables:
            its = f"claimed_by = %s AND {held} AND {live(table)}"
            for seconds, which in _delays(table, its, count, worker) if patiently else [(0.0, "")]:
                sql = f"UPDATE {table} SET due_at = {now_sql(seconds)} WHERE {its}{which} RETURNING queue"
                for (queue,) in fetch_all(sql, [worker]):
                    queues[queue] = min(seconds, queues.get(queue, seconds))
        execute(f"DELETE FROM {WORKER} WHERE id = %s", [worker])
    return queues


def _delays(table: str, its: str, count: str, worker: str) -> list[tuple[float, str]]:
    """Seconds until what a worker holds is due again, and a condition, for each number of times that it was claimed."""
    counts = [int(row[0]) for row in fetch_all(f"SELECT DISTINCT {count} FROM {table} WHERE {its}", [worker])]
    return [(min(_LONGEST, 2.0 ** min(each - 1, 10)), f" AND {count} = {each}") for each in counts]


def remove_silent() -> int:
    """Forget processes that have said nothing for ten leases; how many.

    But for the last of each queue: when that was heard of is all that is known where no worker can write any more.
    """
    silence = timedelta(seconds=10 * settings.LEASE).total_seconds()
    return execute(
        f"DELETE FROM {WORKER} WHERE seen_at < {now_sql(-silence)} AND EXISTS (SELECT 1 FROM {WORKER} AS later "
        f"WHERE later.queue = {WORKER}.queue AND later.seen_at > {WORKER}.seen_at)"
    )


def seconds_since_last_seen(queue: str) -> float | None:
    """How long ago any worker of a queue was last heard of; ``None`` if never."""
    row = fetch_one(f"SELECT max(seen_at), {now_sql()} FROM {WORKER} WHERE queue = %s", [queue])
    if row is None or row[0] is None:
        return None
    seen_at, now = read_instant(row[0]), read_instant(row[1])
    assert seen_at is not None and now is not None
    return (now - seen_at).total_seconds()
