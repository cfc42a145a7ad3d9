"""Writes a turn on PostgreSQL as one statement, which is one round trip and needs no transaction around it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DataError

from ..core.entries import TurnRecord
from . import turn_values
from .database import Moment, clock
from .listening import telling
from .prepared import run_one
from .rows import dump_failure
from .turn_sql import VOID, Shape, turn_sql

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_turn(turn: TurnRecord, expires: str) -> tuple[datetime, int] | None:
    """``journals.write_turn``, but for the children. ``expires``: SQL for when the workflow's retention is over.

    A void turn changes nothing even outside of a transaction. Inside of one the transaction may then be broken.
    """
    ends = [end for end in turn.step_ends if end.attempt is not None]
    assert len(ends) <= 1, "a worker runs one step at a time"
    waits = [end for end in turn.step_ends if end.attempt is None]
    due, values = turn_values.due(turn)
    values |= {
        "id": turn.workflow_id,
        "generation": turn.generation,
        "expected_version": turn.expected_version,
        "expected_delivered": turn.expected_delivered,
        "delivered": turn.delivered,
        "grown": turn.grown_bytes,
        "at": turn.at,
        "canceled_at": turn.canceled_at_delivery,
    }
    shape = Shape(
        first=turn.first,
        cancels=turn.canceled_at_delivery is not None,
        told=turn.forced or turn.canceled_at_delivery is not None,
        forced=turn.forced,
        exact=turn.exact,
        due=due,
        ending=turn.ending is not None,
        ends=bool(ends),
        waits=bool(waits),
        deliveries=bool(turn.deliveries),
        drops=bool(turn.dropped),
        new=turn_values.new_kind(turn),
        now=Moment().sql(),
        expires=expires if turn.ending is not None else "",
        tells=telling("%(id)s::uuid"),
    )
    if turn.ending is not None:
        values |= {"state": str(turn.ending.state), "result": turn.ending.result}
        values["error"] = dump_failure(turn.ending.error)
    if ends:
        values |= turn_values.end_values(ends[0])
    if waits or turn.deliveries or turn.dropped or turn.ending is not None:
        values |= turn_values.list_values(turn, waits)
    if shape.new:
        values |= turn_values.new_values(turn, shape.new)
    return _run(turn_sql(shape), values)


def _run(sql: str, values: dict[str, Any]) -> tuple[datetime, int] | None:
    try:
        row = run_one(sql, values)
    except DataError as error:
        if VOID in str(error):
            return None
        raise
    return None if row is None else (clock.read(instant_of(row[0])), row[1])


def instant_of(microseconds: int) -> datetime:
    """An instant as ``EPOCH_MICROSECONDS`` has it, which takes less time to read than a timestamp."""
    return _EPOCH + timedelta(microseconds=microseconds)
