"""Writes the turns of several workflows at once: one statement on PostgreSQL, one transaction elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DataError

from ..core.entries import StepEnd, TurnRecord
from . import journals
from .arrays import array
from .database import Moment, atomic, clock
from .listening import telling
from .many_turns_sql import DELIVERIES, WAITS, Shape, given_turns, many_turns_sql
from .many_turns_sqlite import write_few
from .over import over_values
from .prepared import in_few_statements, in_one_statement, run_all
from .rows import STEP, dump_failure
from .turn_row import expires_sql
from .turn_sql import NEW_COLUMNS, VOID
from .turn_statement import instant_of
from .turn_values import next_due, step_values
from .workflows import levels

Written = dict[UUID, tuple[datetime, int]]


class _Void(Exception):
    """An attempt is no longer this worker's: nothing of the statement holds."""


def write_turns(shape: Shape, records: Sequence[TurnRecord]) -> Written | None:
    """Write turns of one shape; the database's time and the version after it, for each that was not void.

    ``None``: nothing was written, since an attempt is no longer this worker's; each turn is to be tried alone.
    """
    for record in records:
        for step in record.new_steps:
            levels.note(STEP, step.queue, step.priority)
    try:
        if in_one_statement():
            return _in_one_statement(shape, records)
        with atomic():
            return _in_few_statements(shape, records) if in_few_statements() else _one_by_one(records)
    except _Void:
        return None


def _in_few_statements(shape: Shape, records: Sequence[TurnRecord]) -> Written:
    written = write_few(shape, records)
    if written is None:
        raise _Void
    return {record.workflow_id: (now, version) for record, now, version in written}


def _one_by_one(records: Sequence[TurnRecord]) -> Written:
    written: Written = {}
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
    sql = many_turns_sql(shape, moment.sql(), expires, telling("turn.id"))
    try:
        rows = run_all(sql, _values(shape, ordered))
    except DataError as error:
        if VOID in str(error):
            raise _Void from error
        raise
    return {row[1]: (clock.read(instant_of(row[0])), row[2]) for row in rows}


def _id(record: TurnRecord) -> UUID:
    return record.workflow_id


# -- what the statement is given


def _values(shape: Shape, records: Sequence[TurnRecord]) -> dict[str, Any]:
    turns = [_turn(shape, each) for each in records]
    values: dict[str, Any] = _columns(given_turns(shape), turns)
    if shape.goes_on:
        values["claimed_by"] = records[0].new_steps[0].claimed_by
    if shape.asks:
        rows = [(*step_values(step, ending=False), each.workflow_id) for each in records for step in each.new_steps]
        values |= _columns(_NEW, rows)
    if shape.over:
        values |= over_values(records)
    if shape.waits:
        rows = [_wait(each, end) for each in records for end in each.step_ends if end.attempt is None]
        values |= _columns(WAITS, rows)
    if shape.deliveries:
        rows = [(each.workflow_id, *delivery) for each in records for delivery in each.deliveries]
        values |= _columns(DELIVERIES, rows)
    return values


_NEW = (*((f"new_{name}", kind) for name, kind in NEW_COLUMNS), ("new_owner", "uuid"))


def _columns(given: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]]) -> dict[str, str]:
    columns = zip(*rows, strict=True)
    return {name: array(column, kind) for (name, kind), column in zip(given, columns, strict=True)}


def _wait(record: TurnRecord, end: StepEnd) -> tuple[Any, ...]:
    return record.workflow_id, end.number, str(end.state), dump_failure(end.error), end.delivery, end.reached


def _turn(shape: Shape, record: TurnRecord) -> tuple[Any, ...]:
    values: tuple[Any, ...] = (
        record.workflow_id,
        record.generation,
        record.expected_version,
        record.expected_delivered,
        record.delivered,
        record.grown_bytes,
        record.at,
    )
    if shape.due:
        values += next_due(record)
    if shape.ends:
        (end,) = (end for end in record.step_ends if end.attempt is not None)
        values += (end.number, end.attempt, end.delivery, end.result)
    if shape.goes_on:
        new = record.new_steps[0]
        values += (new.number, str(new.kind), new.name, new.function, new.args, new.options, new.lease)
        values += (new.queue, new.priority, int(new.lane))
    if record.ending is not None:
        values += (str(record.ending.state), record.ending.result, dump_failure(record.ending.error))
    return values
