"""Writes the turns of several workflows at once: one statement on PostgreSQL, one transaction elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DataError

from ..core.entries import TurnRecord
from . import journals
from .database import Moment, atomic, clock
from .listening import telling
from .prepared import in_one_statement, run_all
from .rows import STEP, WORKFLOW, dump_failure
from .turn_row import expires_sql
from .turn_sql import EPOCH_MICROSECONDS, VOID
from .turn_statement import instant_of
from .workflows import levels

Written = dict[UUID, tuple[datetime, int]]


class _Void(Exception):
    """An attempt is no longer this worker's: nothing of the statement holds."""


class Shape(NamedTuple):
    """What the turns that are written together have in common."""

    first: bool
    ends: bool
    goes_on: bool
    ending: bool


def shape_of(record: TurnRecord) -> Shape | None:
    """The shape of a turn that can be written together with others of the same; ``None`` if it has to be alone.

    Such a turn has at most one step's good end, and asks for at most one step, which its worker runs.
    """
    new, ends = record.new_steps, record.step_ends
    if record.deliveries or record.dropped or record.children or record.next_due is not None:
        return None
    if record.forced or record.canceled_at_delivery is not None or len(ends) > 1 or len(new) > 1:
        return None
    if (ends and (ends[0].error is not None or ends[0].attempt is None)) or (new and new[0].state != "running"):
        return None
    if new and record.ending is not None:
        return None
    return Shape(record.first, bool(ends), bool(new), record.ending is not None)


def write_turns(shape: Shape, records: Sequence[TurnRecord]) -> Written | None:
    """Write turns of one shape; the database's time and the version after it, for each that was not void.

    ``None``: nothing was written, since an attempt is no longer this worker's; each turn is to be tried alone.
    """
    for record in records:
        for step in record.new_steps:
            levels.note(STEP, step.queue, step.priority)
    try:
        return _in_one_statement(shape, records) if in_one_statement() else _one_by_one(records)
    except _Void:
        return None


def _one_by_one(records: Sequence[TurnRecord]) -> Written:
    written: Written = {}
    with atomic():
        for record in records:
            found = journals.write_turn(record)
            if found is None:
                raise _Void
            written[record.workflow_id] = found
    return written


def _in_one_statement(shape: Shape, records: Sequence[TurnRecord]) -> Written:
    # By id, which is by age: parents before their children, as everybody locks them.
    ordered = sorted(records, key=_id)
    moment = Moment()
    expires = expires_sql(moment) if shape.ending else ""
    sql = _sql(shape, moment.sql(), expires, telling("turn.id"))
    columns = zip(*(_values(shape, record) for record in ordered), strict=True)
    values = {name: list(column) for (name, _), column in zip(_given(shape), columns, strict=True)}
    if shape.goes_on:
        values["claimed_by"] = records[0].new_steps[0].claimed_by  # type: ignore[assignment]
    try:
        rows = run_all(sql, values)
    except DataError as error:
        if VOID in str(error):
            raise _Void from error
        raise
    return {row[1]: (clock.read(instant_of(row[0])), row[2]) for row in rows}


def _id(record: TurnRecord) -> UUID:
    return record.workflow_id


_TURN = (
    ("g_id", "uuid"),
    ("g_generation", "int"),
    ("g_version", "int"),
    ("g_expected", "int"),
    ("g_delivered", "int"),
    ("g_grown", "int"),
    ("g_at", "timestamptz"),
)
_STEP_END = (("g_end_number", "int"), ("g_end_attempt", "int"), ("g_end_delivery", "int"), ("g_end_result", "text"))
_NEW_STEP = (
    ("g_number", "int"),
    ("g_kind", "text"),
    ("g_name", "text"),
    ("g_function", "text"),
    ("g_args", "text"),
    ("g_options", "text"),
    ("g_seconds", "float8"),
    ("g_queue", "text"),
    ("g_priority", "int"),
)
_ENDING = (("g_state", "text"), ("g_result", "text"), ("g_error", "text"))


@lru_cache(maxsize=16)
def _given(shape: Shape) -> tuple[tuple[str, str], ...]:
    """What is given of each turn, with PostgreSQL's type of it."""
    return (
        _TURN
        + (_STEP_END if shape.ends else ())
        + (_NEW_STEP if shape.goes_on else ())
        + (_ENDING if shape.ending else ())
    )


def _values(shape: Shape, record: TurnRecord) -> tuple[Any, ...]:
    values: tuple[Any, ...] = (
        record.workflow_id,
        record.generation,
        record.expected_version,
        record.expected_delivered,
        record.delivered,
        record.grown_bytes,
        record.at,
    )
    if shape.ends:
        end = record.step_ends[0]
        values += (end.number, end.attempt, end.delivery, end.result)
    if shape.goes_on:
        new = record.new_steps[0]
        values += (new.number, str(new.kind), new.name, new.function, new.args, new.options, new.lease)
        values += (new.queue, new.priority)
    if record.ending is not None:
        values += (str(record.ending.state), record.ending.result, dump_failure(record.ending.error))
    return values


@lru_cache(maxsize=64)
def _sql(shape: Shape, now: str, expires: str, tells: str) -> str:
    given = _given(shape)
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in given)
    names = ", ".join(name for name, _ in given)
    turn = (
        f"turn AS (UPDATE {WORKFLOW} AS workflow SET {_sets(shape, now, expires)} "
        # By their ids alone, however few rows the planner takes the table, or those in progress, to have.
        f"FROM unnest({arrays}) AS given ({names}) WHERE workflow.id = ANY(%(g_id)s::uuid[]) AND workflow.id = g_id "
        "AND (workflow.state = 'in_progress') IS TRUE AND generation = g_generation AND delivered = g_expected "
        "AND (cancel_requested_at IS NULL OR canceled_at_delivery IS NOT NULL) "
        f"RETURNING workflow.id, workflow.version, {now} AS now, given.*)"
    )
    parts, version = [turn], "version"
    if shape.ends:
        parts.append(f"ended AS ({_END_STEPS} RETURNING 1)")
        whole = "(SELECT count(*) FROM ended) = (SELECT count(*) FROM turn)"
        version = f"CASE WHEN {whole} THEN version ELSE ('{VOID} ' || version)::bigint END"
    if shape.goes_on:
        parts.append(f"added AS ({_NEW_STEPS})")
    return f"WITH {', '.join(parts)} SELECT {EPOCH_MICROSECONDS}, id, {version}{tells} FROM turn"


def _sets(shape: Shape, now: str, expires: str) -> str:
    sets = (
        "version = workflow.version + 1, delivered = g_delivered, deliveries = 0, claimed_by = '', problem = '', "
        "journal_bytes = journal_bytes + g_grown, reopened = FALSE"
    )
    if shape.first:
        sets += ", started_at = g_at"
    if shape.ending:
        sets += f", state = g_state, result = g_result, error = g_error, due_at = NULL, finished_at = {now}"
        return f"{sets}, expires_at = {expires}"
    # Others that wrote since set their own wake-up, which must not be wiped out.
    return f"{sets}, due_at = CASE WHEN workflow.version = g_version THEN NULL ELSE due_at END"


_END_STEPS = (
    f"UPDATE {STEP} AS step SET state = 'completed', result = g_end_result, due_at = NULL, finished_at = turn.now, "
    "delivery = g_end_delivery, delivered_at = g_at FROM turn "
    "WHERE workflow_id = turn.id AND number = g_end_number AND step.state = 'running' AND attempt = g_end_attempt"
)
_NEW_STEPS = f"""
    INSERT INTO {STEP} (workflow_id, number, kind, name, function, args, options, state, attempt, failures, due_at,
        claimed_by, progress, queue, priority, pool, created_at, queued_at, started_at)
    SELECT id, g_number, g_kind, g_name, g_function, g_args, g_options, 'running', 1, '[]',
        now + g_seconds * interval '1 second', %(claimed_by)s::text, '', g_queue, g_priority, '', now, now, now
    FROM turn"""
