"""Reads how it stands with queues, workers and workflows, each with one statement that an index serves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ..conf import settings
from ..core.health import DUE_LIMIT, LONG_STEP, LOOKED_AT, RECENT, LongStep, Mass, QueueHealth, WorkerHealth
from .database import (
    Moment,
    execute,
    fetch_all,
    fetch_one,
    now_sql,
    put_instant,
    put_uuid,
    read_instant,
    read_uuid,
)
from .queues import queues_in_use
from .rows import STEP, WORKER, WORKFLOW
from .workflows import slices

#: In the words of the index of workflows that are blocked.
_BLOCKED = "state = 'in_progress' AND NOT (problem = '')"
#: What a worker says that it does.
_DOING = re.compile(r"(?P<workflow>\S+) (?P<id>[0-9a-f-]{36}) step (?P<number>\d+) (?P<step>.*)", re.DOTALL)
_OPEN = "state IN ('queued', 'running', 'waiting')"


def workers(now: datetime) -> list[WorkerHealth]:
    """The workers that were heard of within a lease, in the order in which they began."""
    rows = fetch_all(
        f"SELECT id, host, pid, queue, doing, started_at, seen_at, worked_at, done FROM {WORKER} "
        f"WHERE seen_at > {now_sql(-settings.LEASE)} ORDER BY started_at, id"
    )
    return [_worker(row, now) for row in rows]


def _worker(row: tuple[Any, ...], now: datetime) -> WorkerHealth:
    started_at, seen_at, worked_at = map(read_instant, row[5:8])
    assert started_at is not None and seen_at is not None
    worked = None if worked_at is None else now - worked_at
    return WorkerHealth(row[0], row[1], row[2], row[3], row[4], started_at, seen_at, worked, row[8])


def queues(now: datetime, known: list[WorkerHealth]) -> list[QueueHealth]:
    """The queues that hold work or have workers, by name."""
    return [queue(name, now, known) for name in sorted({*queues_in_use(), *(worker.queue for worker in known)})]


def queue(name: str, now: datetime, known: list[WorkerHealth]) -> QueueHealth:
    due, oldest_at = _due(name)
    mine = [worker for worker in known if worker.queue == name]
    return QueueHealth(
        queue=name,
        due=due,
        waited=None if oldest_at is None else max(timedelta(0), now - oldest_at),
        workers=len(mine),
        busy=sum(bool(worker.doing) for worker in mine),
        worked=min((worker.worked for worker in mine if worker.worked is not None), default=None),
        last_seen=_last_seen(name, now),
    )


def _due(name: str) -> tuple[int, datetime | None]:
    moment, parts, params = Moment(), [], list[object]()
    for table in (WORKFLOW, STEP):
        for slice_, its_params in slices(table, name):
            parts.append(
                f"SELECT due_at FROM (SELECT due_at FROM {table} WHERE {slice_} AND due_at <= {moment.sql()} "
                f"ORDER BY due_at LIMIT {DUE_LIMIT}) AS due"
            )
            params += its_params
    row = fetch_one(f"SELECT count(*), min(due_at) FROM ({' UNION ALL '.join(parts)}) AS due", params)
    assert row is not None
    return min(row[0], DUE_LIMIT), read_instant(row[1])


def _last_seen(name: str, now: datetime) -> timedelta | None:
    row = fetch_one(f"SELECT max(seen_at) FROM {WORKER} WHERE queue = %s", [name])
    seen_at = None if row is None else read_instant(row[0])
    return None if seen_at is None else now - seen_at


def blocked(limit: int) -> tuple[int, list[UUID]]:
    """How many workflows are blocked, and the first of them."""
    row = fetch_one(f"SELECT count(*) FROM {WORKFLOW} WHERE {_BLOCKED}")
    rows = fetch_all(f"SELECT id FROM {WORKFLOW} WHERE {_BLOCKED} ORDER BY id LIMIT {int(limit)}")
    assert row is not None
    return row[0], [found for (value,) in rows if (found := read_uuid(value)) is not None]


def long_steps(known: list[WorkerHealth], now: datetime) -> list[LongStep]:
    """The steps that these workers have run for long, the longest first: by what the workers say of themselves."""
    said = {each: found for each in known if (found := _DOING.fullmatch(each.doing)) is not None}
    if not said:
        return []
    ids = [put_uuid(UUID(found["id"])) for found in said.values()]
    rows = fetch_all(
        f"SELECT workflow_id, number, started_at FROM {STEP} WHERE state = 'running' "
        f"AND workflow_id IN ({', '.join(['%s'] * len(ids))})",
        ids,
    )
    began = {(read_uuid(row[0]), row[1]): read_instant(row[2]) for row in rows}
    steps: list[LongStep] = []
    for worker, words in said.items():
        started_at = began.get((UUID(words["id"]), int(words["number"])))
        if started_at is not None and now - started_at >= LONG_STEP:
            where = (worker.host, worker.pid, now - started_at)
            step = (words["workflow"], UUID(words["id"]), int(words["number"]), words["step"])
            steps.append(LongStep(worker.queue, *step, *where))
    return sorted(steps, key=lambda each: each.lasts, reverse=True)


def failing(now: datetime, limit: int) -> Mass | None:
    """Workflows that failed recently, the last of them first; ``None`` if none has.

    Those that completed meanwhile are counted among the newest: only those that failed have an index by their end.
    """
    since = put_instant(now - RECENT)
    rows = fetch_all(
        f"SELECT id, name, finished_at FROM {WORKFLOW} WHERE state = 'failed' AND finished_at > %s "
        f"ORDER BY finished_at DESC LIMIT {LOOKED_AT}",
        [since],
    )
    if not rows:
        return None
    row = fetch_one(
        f"SELECT count(*) FROM (SELECT finished_at FROM {WORKFLOW} WHERE state = 'completed' ORDER BY id DESC "
        f"LIMIT {LOOKED_AT}) AS newest WHERE finished_at > %s",
        [since],
    )
    completed = 0 if row is None else int(row[0])
    return _mass([(row[0], row[1], row[2]) for row in rows], len(rows) + completed, now, limit)


def retrying(names: Iterable[str], now: datetime, limit: int) -> Mass | None:
    """Steps that have failed and wait to be retried, of each of these queues among the next to be due; ``None`` if none
    does.
    """
    moment, parts, params = Moment(), list[str](), list[Any]()
    for name in names:
        for slice_, its_params in slices(STEP, name):
            parts.append(
                f"SELECT workflow_id, name, created_at, state, attempt FROM (SELECT * FROM {STEP} WHERE {slice_} "
                f"AND due_at > {moment.sql()} ORDER BY due_at LIMIT {LOOKED_AT}) AS next"
            )
            params += its_params
    if not parts:
        return None
    rows = fetch_all(
        f"SELECT workflow_id, name, created_at FROM ({' UNION ALL '.join(parts)}) AS found "
        "WHERE state = 'queued' AND attempt > 0 ORDER BY created_at",
        params,
    )
    return _mass(rows, len(rows), now, limit) if rows else None


def blocked_mass(now: datetime) -> Mass:
    """Of those that are blocked, which, and since when."""
    rows = fetch_all(f"SELECT id, name, blocked_at FROM {WORKFLOW} WHERE {_BLOCKED} ORDER BY id LIMIT {LOOKED_AT}")
    return _mass(rows, len(rows), now, 3)


def _mass(rows: list[tuple[Any, ...]], of: int, now: datetime, limit: int) -> Mass:
    instants = [at for row in rows if (at := read_instant(row[2])) is not None]
    ids = [found for row in rows[:limit] if (found := read_uuid(row[0])) is not None]
    names = tuple(Counter(row[1] for row in rows).most_common())
    return Mass(len(rows), of, names, now - min(instants) if instants else None, tuple(ids))


def lost(limit: int) -> list[UUID]:
    """Workflows in progress that wait for nothing: not due, not blocked, and without an open step.

    The engine leaves none; a database that was edited, or restored in parts, may. Reads all that are in progress.
    """
    rows = fetch_all(
        f"SELECT id FROM {WORKFLOW} AS workflow WHERE state = 'in_progress' AND due_at IS NULL AND problem = '' "
        f"AND NOT EXISTS (SELECT 1 FROM {STEP} AS step WHERE step.workflow_id = workflow.id AND step.{_OPEN}) "
        f"ORDER BY id LIMIT {int(limit)}"
    )
    return [found for (value,) in rows if (found := read_uuid(value)) is not None]


def make_lost_due(workflow_id: UUID) -> str | None:
    """Have a worker look at a workflow that ``lost`` found, if it still is; the queue to wake."""
    sql = (
        f"UPDATE {WORKFLOW} SET due_at = {now_sql()} WHERE id = %s AND state = 'in_progress' AND due_at IS NULL "
        f"AND problem = '' AND NOT EXISTS (SELECT 1 FROM {STEP} AS step WHERE step.workflow_id = %s AND step.{_OPEN})"
    )
    if not execute(sql, [put_uuid(workflow_id)] * 2):
        return None
    row = fetch_one(f"SELECT queue FROM {WORKFLOW} WHERE id = %s", [put_uuid(workflow_id)])
    return None if row is None else row[0]
