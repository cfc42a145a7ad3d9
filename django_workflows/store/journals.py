"""Journals: read for a replay, written by a turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from ..core.entries import NewStep, StepEnd, TurnRecord
from ..core.journal import StepRecord
from .database import (
    Moment,
    execute,
    execute_many,
    fetch_all,
    put_instant,
    put_uuid,
)
from .new_workflows import insert_children
from .prepared import in_one_statement
from .rows import STEP, STEP_COLUMNS, dump_failure, step_record
from .turn_row import expires_sql, write_row
from .turn_statement import write_turn as write_in_one_statement
from .workflows import levels

NEWS = "state NOT IN ('queued', 'running') AND NOT (state = 'waiting' AND kind = 'workflow')"


def load(
    workflow_id: UUID, *, from_number: int = 0, numbers: Iterable[int] = (), delivered: int = 0
) -> list[StepRecord]:
    """The journal from a step on, and those of ``numbers`` that wait neither for a worker nor for a child.

    ``delivered``: how many outcomes whoever asks has seen, so that it need not see them again.
    """
    wanted = [number for number in numbers if number < from_number]
    where, params = "number >= %s", [put_uuid(workflow_id), from_number]
    if wanted:
        those = f"number IN ({', '.join('%s' for _ in wanted)})" if len(wanted) <= 500 else "number >= %s"
        where += f" OR ({those} AND {NEWS} AND (delivery IS NULL OR delivery > %s))"
        params += [*(wanted if len(wanted) <= 500 else [min(wanted)]), delivered]
    rows = fetch_all(f"SELECT {STEP_COLUMNS} FROM {STEP} WHERE workflow_id = %s AND ({where}) ORDER BY number", params)
    return [step_record(row) for row in rows]


def write_turn(turn: TurnRecord) -> tuple[datetime, int] | None:
    """Write a turn; returns the database's time and the workflow's version after it.

    ``None`` if the turn is void, and the transaction must be rolled back.

    It is void when the workflow ended, was restarted or canceled, when another turn was taken meanwhile, or when the
    attempt that it ends is no longer this worker's.
    """
    for step in turn.new_steps:
        levels.note(STEP, step.queue, step.priority)
    if in_one_statement():
        written = write_in_one_statement(turn, expires_sql(Moment()))
        if written is not None and turn.children:
            insert_children(turn.children)
        return written
    return _write_turn(turn)


def _write_turn(turn: TurnRecord) -> tuple[datetime, int] | None:
    """The same in the SQL that every database knows, statement by statement."""
    written = write_row(turn)
    if written is None:
        return None
    now, version = written
    if not end_steps(turn.workflow_id, turn.step_ends, now, turn.at):
        return None
    _write_deliveries(turn)
    if turn.dropped:
        drop_steps(turn.workflow_id, turn.dropped, now)
    if turn.new_steps:
        execute_many(_INSERT_STEP, [_step_params(turn, step, now) for step in turn.new_steps])
    if turn.children:
        insert_children(turn.children)
    if turn.ending is not None:
        drop_steps(turn.workflow_id, None, now)
    return now, version


def _write_deliveries(turn: TurnRecord) -> None:
    execute_many(
        f"UPDATE {STEP} SET delivery = %s, reached = %s, delivered_at = %s WHERE workflow_id = %s AND number = %s",
        [
            (delivery, reached, put_instant(turn.at), put_uuid(turn.workflow_id), number)
            for number, delivery, reached in turn.deliveries
        ],
    )


_END_STEP = (
    f"UPDATE {STEP} SET state = %s, result = %s, error = %s, due_at = NULL, finished_at = %s, delivery = %s, "
    "reached = %s, delivered_at = %s WHERE workflow_id = %s AND number = %s AND "
)


def end_steps(workflow_id: UUID, ends: Sequence[StepEnd], now: datetime, at: datetime | None = None) -> bool:
    """Write the ends of steps; False if one that has an attempt is no longer at that attempt.

    ``at`` is when those that have a delivery were handed over.
    """
    waits = [_end_params(workflow_id, end, now, at) for end in ends if end.attempt is None]
    execute_many(_END_STEP + "state = 'waiting'", waits)
    running = _END_STEP + "state = 'running' AND attempt = %s"
    return all(
        execute(running, [*_end_params(workflow_id, end, now, at), end.attempt])
        for end in ends
        if end.attempt is not None
    )


def end_wait(workflow_id: UUID, end: StepEnd, now: datetime) -> bool:
    """Write the end of a wait; False if the step does not wait any more."""
    return execute(_END_STEP + "state = 'waiting'", _end_params(workflow_id, end, now, None)) == 1


def _end_params(workflow_id: UUID, end: StepEnd, now: datetime, at: datetime | None) -> tuple[object, ...]:
    return (
        end.state,
        end.result,
        dump_failure(end.error),
        put_instant(now),
        end.delivery,
        end.reached,
        None if end.delivery is None else put_instant(at),
        put_uuid(workflow_id),
        end.number,
    )


def drop_steps(workflow_id: UUID, numbers: Sequence[int] | None, now: datetime) -> None:
    """Cancel open steps, all with ``None``; what still runs of them is ignored when it ends."""
    sql = (
        f"UPDATE {STEP} SET state = 'canceled', due_at = NULL, finished_at = %s "
        "WHERE workflow_id = %s AND state IN ('queued', 'running', 'waiting')"
    )
    if numbers is None:
        execute(sql, [put_instant(now), put_uuid(workflow_id)])
    else:
        execute_many(
            sql + " AND number = %s", [(put_instant(now), put_uuid(workflow_id), number) for number in numbers]
        )


_INSERT_STEP = f"""
INSERT INTO {STEP} (workflow_id, number, kind, name, function, args, options, state, attempt, failures, due_at,
    claimed_by, result, error, progress, delivery, reached, delivered_at, queue, priority, pool, lane, created_at,
    queued_at, started_at, finished_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, '[]', %s, %s, %s, %s, '', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def _step_params(turn: TurnRecord, step: NewStep, now: datetime) -> tuple[object, ...]:
    running, ended = step.state == "running", step.state in ("completed", "failed")
    queued_at = step_due(step, now) if step.state == "queued" else now
    return (
        put_uuid(turn.workflow_id),
        step.number,
        step.kind,
        step.name,
        step.function,
        step.args,
        step.options,
        step.state,
        1 if running or (ended and step.kind in ("query", "mutation")) else 0,
        put_instant(step_due(step, now)),
        step.claimed_by,
        step.result,
        dump_failure(step.error),
        step.delivery,
        step.reached,
        put_instant(turn.at) if step.delivery is not None else None,
        step.queue,
        step.priority,
        step.pool,
        int(step.lane),
        put_instant(now),
        put_instant(queued_at),
        put_instant(now) if running or ended else None,
        put_instant(now) if ended else None,
    )


def step_due(step: NewStep, now: datetime) -> datetime | None:
    """When the step is due: its lease, its delay or instant; at once if a worker is to take it, else never."""
    seconds = step.lease if step.state == "running" else step.delay
    if seconds is not None:
        return now + timedelta(seconds=seconds)
    if step.run_at is not None:
        return step.run_at
    return now if step.state == "queued" else None
