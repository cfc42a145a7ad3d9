"""Writes a turn on PostgreSQL as one statement, which is one round trip and needs no transaction around it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import DataError

from ..core.entries import NewStep, StepEnd, TurnRecord
from .database import Moment, clock
from .listening import telling
from .prepared import run_one
from .rows import STEP, WORKFLOW, dump_failure

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What PostgreSQL finds to be no number where an attempt is no longer this worker's, so that it undoes the statement.
VOID = "void turn: an attempt was taken over, version"

EPOCH_MICROSECONDS = "(extract(epoch FROM now) * 1000000)::bigint"

_ENDED = {"completed", "failed"}
_OPEN = {"queued", "running", "waiting"}


class Shape(NamedTuple):
    """All on which the text of the statement depends; each shape is prepared once per connection."""

    first: bool
    cancels: bool
    told: bool
    forced: bool
    due: str
    ending: bool
    ends: bool
    waits: bool
    deliveries: bool
    drops: bool
    new: str
    now: str
    expires: str
    tells: str


def write_turn(turn: TurnRecord, expires: str) -> tuple[datetime, int] | None:
    """``journals.write_turn``, but for the children. ``expires``: SQL for when the workflow's retention is over.

    A void turn changes nothing even outside of a transaction. Inside of one the transaction may then be broken.
    """
    ends = [end for end in turn.step_ends if end.attempt is not None]
    assert len(ends) <= 1, "a worker runs one step at a time"
    waits = [end for end in turn.step_ends if end.attempt is None]
    due, values = _due(turn)
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
        due=due,
        ending=turn.ending is not None,
        ends=bool(ends),
        waits=bool(waits),
        deliveries=bool(turn.deliveries),
        drops=bool(turn.dropped),
        new=_new_kind(turn),
        now=Moment().sql(),
        expires=expires if turn.ending is not None else "",
        tells=telling("%(id)s::uuid"),
    )
    if turn.ending is not None:
        values |= {"state": str(turn.ending.state), "result": turn.ending.result}
        values["error"] = dump_failure(turn.ending.error)
    if ends:
        values |= _end_values(ends[0])
    if waits or turn.deliveries or turn.dropped or turn.ending is not None:
        values |= _list_values(turn, waits)
    if shape.new:
        values |= _new_values(turn, shape.new)
    return _run(_sql(shape), values)


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


# -- values


def _due(turn: TurnRecord) -> tuple[str, dict[str, Any]]:
    """SQL, and its values, for when the earliest wait of this workflow is over."""
    if turn.ending is not None:
        return "NULL", {}
    waiting = [step for step in turn.new_steps if step.state == "waiting"]
    delays = [step.delay for step in waiting if step.delay is not None]
    instants = [step.run_at for step in waiting if step.delay is None and step.run_at is not None]
    if turn.next_due is not None:
        instants.append(turn.next_due)
    if not delays:
        return ("%(due_at)s::timestamptz", {"due_at": min(instants)}) if instants else ("NULL", {})
    relative = "{now} + %(due_in)s::float8 * interval '1 second'"
    if not instants:
        return relative, {"due_in": min(delays)}
    return f"LEAST({relative}, %(due_at)s::timestamptz)", {"due_in": min(delays), "due_at": min(instants)}


def _end_values(end: StepEnd) -> dict[str, Any]:
    return {
        "end_number": end.number,
        "end_state": str(end.state),
        "end_result": end.result,
        "end_error": dump_failure(end.error),
        "end_delivery": end.delivery,
        "end_attempt": end.attempt,
    }


def _list_values(turn: TurnRecord, waits: Sequence[StepEnd]) -> dict[str, Any]:
    return {
        "wait_numbers": [end.number for end in waits],
        "wait_states": [str(end.state) for end in waits],
        "wait_results": [end.result for end in waits],
        "wait_errors": [dump_failure(end.error) for end in waits],
        "wait_deliveries": [end.delivery for end in waits],
        "numbers": [number for number, _ in turn.deliveries],
        "deliveries": [delivery for _, delivery in turn.deliveries],
        "dropped": turn.dropped,
        "touched": [end.number for end in turn.step_ends],
    }


def _new_kind(turn: TurnRecord) -> str:
    """Which of the ways there are to insert new steps; the commonest is one that this worker runs."""
    if len(turn.new_steps) != 1:
        return "many" if turn.new_steps else ""
    return "running" if turn.new_steps[0].state == "running" and turn.ending is None else "one"


def _running_values(step: NewStep) -> dict[str, Any]:
    return {
        "new_number": step.number,
        "new_kind": str(step.kind),
        "new_name": step.name,
        "new_function": step.function,
        "new_args": step.args,
        "new_options": step.options,
        "new_seconds": step.lease,
        "new_claimed_by": step.claimed_by,
        "new_queue": step.queue,
        "new_priority": step.priority,
        "new_pool": step.pool,
    }


def _new_values(turn: TurnRecord, kind: str) -> dict[str, Any]:
    if kind == "running":
        return _running_values(turn.new_steps[0])
    ending = turn.ending is not None
    rows = [_new_step(step, ending=ending) for step in turn.new_steps]
    columns: Sequence[Any] = rows[0] if len(rows) == 1 else [list(column) for column in zip(*rows, strict=True)]
    return {f"new_{name}": column for (name, _), column in zip(_NEW_COLUMNS, columns, strict=True)}


def _new_step(step: NewStep, *, ending: bool) -> tuple[Any, ...]:
    state = str(step.state)
    ended, running = state in _ENDED, state == "running"
    dropped = ending and state in _OPEN
    seconds = step.lease if running else step.delay
    if seconds is None and step.run_at is None and state == "queued":
        seconds = 0.0
    return (
        step.number,
        str(step.kind),
        step.name,
        step.function,
        step.args,
        step.options,
        "canceled" if dropped else state,
        1 if running or (ended and step.kind in ("query", "mutation")) else 0,
        None if dropped or seconds is None else float(seconds),
        None if dropped or seconds is not None else step.run_at,
        step.claimed_by,
        step.result,
        dump_failure(step.error),
        step.delivery,
        step.queue,
        step.priority,
        step.pool,
        running or ended,
        dropped or ended,
    )


_NEW_COLUMNS = (
    ("number", "int"),
    ("kind", "text"),
    ("name", "text"),
    ("function", "text"),
    ("args", "text"),
    ("options", "text"),
    ("state", "text"),
    ("attempt", "int"),
    ("seconds", "float8"),
    ("run_at", "timestamptz"),
    ("claimed_by", "text"),
    ("result", "text"),
    ("error", "text"),
    ("delivery", "int"),
    ("queue", "text"),
    ("priority", "int"),
    ("pool", "text"),
    ("begun", "boolean"),
    ("over", "boolean"),
)


# -- text


@lru_cache(maxsize=256)
def _sql(shape: Shape) -> str:
    parts = [f"turn AS ({_turn(shape)} RETURNING version, {shape.now} AS now)"]
    if shape.ends:
        parts.append(f"ended AS ({_END} RETURNING 1)")
    if shape.waits:
        parts.append(f"waited AS ({_WAITS})")
    if shape.deliveries:
        parts.append(f"handed AS ({_DELIVERIES})")
    if shape.ending or shape.drops:
        # One statement may not change a row twice, and the first change would count.
        which = "<> ALL(%(touched)s::int[])" if shape.ending else "= ANY(%(dropped)s::int[])"
        parts.append(f"dropped AS ({_DROP} AND number {which})")
    if shape.new:
        parts.append(f"added AS ({_RUNNING if shape.new == 'running' else _insert(many=shape.new == 'many')})")
    version = f"CASE WHEN EXISTS (SELECT FROM ended) THEN version ELSE ('{VOID} ' || version)::bigint END"
    told = f"{version if shape.ends else 'version'}{shape.tells}"
    return f"WITH {', '.join(parts)} SELECT {EPOCH_MICROSECONDS}, {told} FROM turn"


def _turn(shape: Shape) -> str:
    sets = (
        "version = version + 1, delivered = %(delivered)s, deliveries = 0, claimed_by = '', problem = '', "
        "journal_bytes = journal_bytes + %(grown)s"
    )
    if not shape.forced:
        sets += ", reopened = FALSE"
    if shape.first:
        sets += ", started_at = %(at)s"
    if shape.cancels:
        sets += ", canceled_at_delivery = %(canceled_at)s"
    if shape.ending:
        sets += f", state = %(state)s, result = %(result)s, error = %(error)s, due_at = NULL, finished_at = {shape.now}"
        sets += f", expires_at = {shape.expires}"
    else:
        due = shape.due.format(now=shape.now)
        # Others that wrote since set their own wake-up, which must not be wiped out.
        sets += (
            f", due_at = CASE WHEN version = %(expected_version)s OR due_at IS NULL THEN {due} "
            f"ELSE LEAST(due_at, COALESCE({due}, due_at)) END"
        )
    handled = "" if shape.told else " AND (cancel_requested_at IS NULL OR canceled_at_delivery IS NOT NULL)"
    return (
        f"UPDATE {WORKFLOW} SET {sets} WHERE id = %(id)s AND generation = %(generation)s AND state = 'in_progress' "
        f"AND delivered = %(expected_delivered)s{handled}"
    )


_END = (
    f"UPDATE {STEP} SET state = %(end_state)s, result = %(end_result)s, error = %(end_error)s, due_at = NULL, "
    "finished_at = turn.now, delivery = %(end_delivery)s::int, delivered_at = %(at)s FROM turn "
    "WHERE workflow_id = %(id)s AND number = %(end_number)s AND state = 'running' AND attempt = %(end_attempt)s"
)
_WAITS = (
    f"UPDATE {STEP} AS step SET state = ended.state, result = ended.result, error = ended.error, due_at = NULL, "
    "finished_at = turn.now, delivery = ended.delivery, delivered_at = %(at)s FROM turn, "
    "unnest(%(wait_numbers)s::int[], %(wait_states)s::text[], %(wait_results)s::text[], %(wait_errors)s::text[], "
    "%(wait_deliveries)s::int[]) AS ended (number, state, result, error, delivery) "
    "WHERE workflow_id = %(id)s AND step.number = ended.number AND step.state = 'waiting'"
)
_DELIVERIES = (
    f"UPDATE {STEP} AS step SET delivery = handed.delivery, delivered_at = %(at)s FROM turn, "
    "unnest(%(numbers)s::int[], %(deliveries)s::int[]) AS handed (number, delivery) "
    "WHERE workflow_id = %(id)s AND step.number = handed.number"
)
_DROP = (
    f"UPDATE {STEP} SET state = 'canceled', due_at = NULL, finished_at = turn.now FROM turn "
    "WHERE workflow_id = %(id)s AND state IN ('queued', 'running', 'waiting')"
)


_RUNNING = f"""
    INSERT INTO {STEP} (workflow_id, number, kind, name, function, args, options, state, attempt, failures, due_at,
        claimed_by, progress, queue, priority, pool, created_at, queued_at, started_at)
    SELECT %(id)s::uuid, %(new_number)s::int, %(new_kind)s, %(new_name)s, %(new_function)s, %(new_args)s,
        %(new_options)s, 'running', 1, '[]', now + %(new_seconds)s::float8 * interval '1 second', %(new_claimed_by)s,
        '', %(new_queue)s, %(new_priority)s::int, %(new_pool)s, now, now, now FROM turn"""


def _insert(*, many: bool) -> str:
    if many:
        arrays = ", ".join(f"%(new_{name})s::{kind}[]" for name, kind in _NEW_COLUMNS)
        names = ", ".join(f'"{name}"' for name, _ in _NEW_COLUMNS)
        source = f"turn, unnest({arrays}) AS new ({names})"
    else:
        columns = ", ".join(f'%(new_{name})s::{kind} AS "{name}"' for name, kind in _NEW_COLUMNS)
        source = f"(SELECT now, {columns} FROM turn) AS new"
    due = "COALESCE(now + seconds * interval '1 second', run_at)"
    return f"""
        INSERT INTO {STEP} (workflow_id, number, kind, name, function, args, options, state, attempt, failures, due_at,
            claimed_by, result, error, progress, delivery, delivered_at, queue, priority, pool, created_at, queued_at,
            started_at, finished_at)
        SELECT %(id)s::uuid, new.number, new.kind, new.name, new.function, new.args, new.options, new.state,
            new.attempt, '[]', {due}, new.claimed_by, new.result, new.error, '', new.delivery,
            CASE WHEN new.delivery IS NOT NULL THEN %(at)s::timestamptz END, new.queue, new.priority, new.pool, now,
            CASE WHEN new.state = 'queued' THEN {due} ELSE now END, CASE WHEN begun THEN now END,
            CASE WHEN over THEN now END
        FROM {source}"""
