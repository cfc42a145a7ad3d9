"""Writes several turns at once on SQLite: a few statements, each of which is run for one row after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from ..core.entries import NewStep, StepEnd, TurnRecord
from .database import local_now, put_instant, put_uuid
from .many_turns_sql import Shape
from .prepared import run_for_each, run_one
from .rows import STEP, WORKFLOW, dump_failure
from .turn_row import expires_from
from .turn_sql import NEW_COLUMNS
from .turn_values import next_due, step_values


def write_few(shape: Shape, records: Sequence[TurnRecord]) -> list[tuple[TurnRecord, datetime, int]] | None:
    """Write turns of one shape, in the caller's transaction; time and version after each that was not void.

    ``None``: an attempt is no longer this worker's, and the transaction must be rolled back.
    """
    now = local_now()
    text = put_instant(now)
    sql = _turn_sql(shape, expires_from("%s") if shape.ending else "")
    written = []
    for record in records:
        row = run_one(sql, _turn(shape, record, now, text))
        if row is not None:
            written.append((record, now, row[0]))
    held = [record for record, _, _ in written]
    if not held:
        return []
    return written if _write_steps(shape, held, now, text) else None


def _write_steps(shape: Shape, records: Sequence[TurnRecord], now: datetime, text: str) -> bool:
    """What the turns change of steps; False if an attempt is no longer at that attempt."""
    owned = [(record, put_uuid(record.workflow_id), put_instant(record.at)) for record in records]
    if shape.ends:
        ends = [(*_end(record, text, at), owner) for record, owner, at in owned]
        if run_for_each(_END_STEP, ends) != len(ends):
            return False
    if shape.waits:
        run_for_each(_END_WAIT, [each for record, owner, at in owned for each in _waits(record, owner, text, at)])
    if shape.deliveries:
        run_for_each(
            _DELIVERY,
            [
                (delivery, reached, at, owner, number)
                for record, owner, at in owned
                for number, delivery, reached in record.deliveries
            ],
        )
    if shape.goes_on:
        run_for_each(_RUNNING, [(owner, *_running(record.new_steps[0], now, text)) for record, owner, _ in owned])
    if shape.asks or shape.over:
        run_for_each(
            _ASKED,
            [(owner, *_asked(step, now, text, at)) for record, owner, at in owned for step in record.new_steps],
        )
    return True


# -- workflows


@lru_cache(maxsize=64)
def _turn_sql(shape: Shape, expires: str) -> str:
    sets = (
        "version = version + 1, delivered = %s, deliveries = 0, claimed_by = '', problem = '', "
        "journal_bytes = journal_bytes + %s, reopened = 0"
    )
    if shape.first:
        sets += ", started_at = %s"
    if shape.ending:
        sets += f", state = %s, result = %s, error = %s, due_at = NULL, finished_at = %s, expires_at = {expires}"
    elif shape.exact:
        sets += ", due_at = %s"
    else:
        # Others that wrote since set their own wake-up, which must not be wiped out.
        kept = "CASE WHEN due_at < %s THEN due_at ELSE %s END" if shape.due else "due_at"
        sets += f", due_at = CASE WHEN version = %s THEN {'%s' if shape.due else 'NULL'} ELSE {kept} END"
    return (
        f"UPDATE {WORKFLOW} SET {sets} WHERE id = %s AND generation = %s AND state = 'in_progress' AND delivered = %s "
        f"AND (cancel_requested_at IS NULL OR canceled_at_delivery IS NOT NULL)"
        f"{' AND version = %s' if shape.exact else ''} RETURNING version"
    )


def _turn(shape: Shape, record: TurnRecord, now: datetime, text: str) -> list[Any]:
    params: list[Any] = [record.delivered, record.grown_bytes]
    if shape.first:
        params.append(put_instant(record.at))
    if record.ending is not None:
        ending = record.ending
        params += [str(ending.state), ending.result, dump_failure(ending.error), text, text]
    elif shape.exact:
        params.append(_due(record, now))
    else:
        params.append(record.expected_version)
        if shape.due:
            params += [_due(record, now)] * 3
    params += [put_uuid(record.workflow_id), record.generation, record.expected_delivered]
    if shape.exact:
        params.append(record.expected_version)
    return params


def _due(record: TurnRecord, now: datetime) -> Any:
    seconds, instant = next_due(record)
    times = [] if instant is None else [instant]
    if seconds is not None:
        times.append(now + timedelta(seconds=seconds))
    return put_instant(min(times, default=None))


# -- steps

_END_STEP = (
    f"UPDATE {STEP} SET state = 'completed', result = %s, due_at = NULL, finished_at = %s, delivery = %s, "
    "delivered_at = %s WHERE number = %s AND attempt = %s AND state = 'running' AND workflow_id = %s"
)
_END_WAIT = (
    f"UPDATE {STEP} SET state = %s, error = %s, due_at = NULL, finished_at = %s, delivery = %s, reached = %s, "
    "delivered_at = %s WHERE workflow_id = %s AND number = %s AND state = 'waiting'"
)
_DELIVERY = f"UPDATE {STEP} SET delivery = %s, reached = %s, delivered_at = %s WHERE workflow_id = %s AND number = %s"
_RUNNING = f"""
    INSERT INTO {STEP} (workflow_id, number, kind, name, function, args, options, due_at, claimed_by, queue, priority,
        lane, created_at, queued_at, started_at, state, attempt, failures, progress, pool)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'running', 1, '[]', '', '')"""
#: What of ``NEW_COLUMNS`` stands for instants, which are columns of the row.
_STAND_IN = ("seconds", "run_at", "begun", "over")
_KEPT = [name for name, _ in NEW_COLUMNS if name not in _STAND_IN]
_ASKED = f"""
    INSERT INTO {STEP} (workflow_id, {", ".join(_KEPT)}, due_at, delivered_at, created_at, queued_at, started_at,
        finished_at, failures, progress)
    VALUES (%s, {", ".join("%s" for _ in _KEPT)}, %s, %s, %s, %s, %s, %s, '[]', '')"""


def _end(record: TurnRecord, text: str, at: str) -> tuple[Any, ...]:
    (end,) = (end for end in record.step_ends if end.attempt is not None)
    return end.result, text, end.delivery, at, end.number, end.attempt


def _waits(record: TurnRecord, owner: str, text: str, at: str) -> Iterable[tuple[Any, ...]]:
    waits: Iterable[StepEnd] = (end for end in record.step_ends if end.attempt is None)
    return [
        (str(end.state), dump_failure(end.error), text, end.delivery, end.reached, at, owner, end.number)
        for end in waits
    ]


def _running(step: NewStep, now: datetime, text: str) -> tuple[Any, ...]:
    assert step.lease is not None
    return (
        step.number,
        str(step.kind),
        step.name,
        step.function,
        step.args,
        step.options,
        put_instant(now + timedelta(seconds=step.lease)),
        step.claimed_by,
        step.queue,
        step.priority,
        int(step.lane),
        text,
        text,
        text,
    )


def _asked(step: NewStep, now: datetime, text: str, at: str) -> tuple[Any, ...]:
    given = dict(zip((name for name, _ in NEW_COLUMNS), step_values(step, ending=False), strict=True))
    seconds, run_at, begun, over = (given.pop(name) for name in _STAND_IN)
    due = put_instant(run_at if seconds is None else now + timedelta(seconds=seconds))
    return (
        *given.values(),
        due,
        None if given["delivery"] is None else at,
        text,
        due if given["state"] == "queued" else text,
        text if begun else None,
        text if over else None,
    )
