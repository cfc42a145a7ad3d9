"""The text of the statement that writes a turn on PostgreSQL; which parts it has depends on the turn's shape."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .rows import STEP, WORKFLOW

#: What PostgreSQL finds to be no number where an attempt is no longer this worker's, so that it undoes the statement.
VOID = "void turn: an attempt was taken over, version"
#: SQL of an instant that takes less time to read than a timestamp; see ``instant_of``.
EPOCH_MICROSECONDS = "(extract(epoch FROM now) * 1000000)::bigint"


class Shape(NamedTuple):
    """All on which the text of the statement depends; each shape is prepared once per connection."""

    first: bool
    cancels: bool
    told: bool
    forced: bool
    exact: bool
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


#: What is given of each new step, with PostgreSQL's type of it.
NEW_COLUMNS = (
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
    ("reached", "int"),
    ("queue", "text"),
    ("priority", "int"),
    ("pool", "text"),
    ("lane", "int"),
    ("begun", "boolean"),
    ("over", "boolean"),
)


@lru_cache(maxsize=256)
def turn_sql(shape: Shape) -> str:
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
    if shape.first:
        handled += " AND started_at IS NULL"
    if shape.exact:
        handled += " AND version = %(expected_version)s"
    return (
        f"UPDATE {WORKFLOW} SET {sets} WHERE id = %(id)s AND generation = %(generation)s AND state = 'in_progress' "
        f"AND delivered = %(expected_delivered)s{handled}"
    )


_END = (
    f"UPDATE {STEP} SET state = %(end_state)s, result = %(end_result)s, error = %(end_error)s, due_at = NULL, "
    "finished_at = turn.now, delivery = %(end_delivery)s::int, delivered_at = %(at)s, "
    "reached = %(end_reached)s::int FROM turn "
    "WHERE workflow_id = %(id)s AND number = %(end_number)s AND state = 'running' AND attempt = %(end_attempt)s"
)
_WAITS = (
    f"UPDATE {STEP} AS step SET state = ended.state, result = ended.result, error = ended.error, due_at = NULL, "
    "finished_at = turn.now, delivery = ended.delivery, delivered_at = %(at)s, reached = ended.reached FROM turn, "
    "unnest(%(wait_numbers)s::int[], %(wait_states)s::text[], %(wait_results)s::text[], %(wait_errors)s::text[], "
    "%(wait_deliveries)s::int[], %(wait_reached)s::int[]) AS ended (number, state, result, error, delivery, reached) "
    "WHERE workflow_id = %(id)s AND step.number = ended.number AND step.state = 'waiting'"
)
_DELIVERIES = (
    f"UPDATE {STEP} AS step SET delivery = handed.delivery, delivered_at = %(at)s, reached = handed.reached FROM turn, "
    "unnest(%(numbers)s::int[], %(deliveries)s::int[], %(reached)s::int[]) AS handed (number, delivery, reached) "
    "WHERE workflow_id = %(id)s AND step.number = handed.number"
)
_DROP = (
    f"UPDATE {STEP} SET state = 'canceled', due_at = NULL, finished_at = turn.now FROM turn "
    "WHERE workflow_id = %(id)s AND state IN ('queued', 'running', 'waiting')"
)


_RUNNING = f"""
    INSERT INTO {STEP} (workflow_id, number, kind, name, function, args, options, state, attempt, failures, due_at,
        claimed_by, progress, queue, priority, pool, lane, created_at, queued_at, started_at)
    SELECT %(id)s::uuid, %(new_number)s::int, %(new_kind)s, %(new_name)s, %(new_function)s, %(new_args)s,
        %(new_options)s, 'running', 1, '[]', now + %(new_seconds)s::float8 * interval '1 second', %(new_claimed_by)s,
        '', %(new_queue)s, %(new_priority)s::int, %(new_pool)s, %(new_lane)s::int, now, now, now FROM turn"""


def _insert(*, many: bool) -> str:
    if many:
        source = f"turn, {given_steps()}"
    else:
        columns = ", ".join(f'%(new_{name})s::{kind} AS "{name}"' for name, kind in NEW_COLUMNS)
        source = f"(SELECT now, {columns} FROM turn) AS new"
    return insert_steps(source, "%(id)s::uuid", "%(at)s::timestamptz")


def given_steps(*more: tuple[str, str]) -> str:
    """SQL for the new steps as rows of a table ``new``; ``more``: what else is given of each, with its type."""
    columns = (*NEW_COLUMNS, *more)
    arrays = ", ".join(f"%(new_{name})s::{kind}[]" for name, kind in columns)
    names = ", ".join(f'"{name}"' for name, _ in columns)
    return f"unnest({arrays}) AS new ({names})"


def insert_steps(source: str, owner: str, at: str) -> str:
    """SQL that inserts the rows of ``source``, which has ``now`` as well; ``owner`` is SQL for their workflow's id."""
    due = "COALESCE(now + seconds * interval '1 second', run_at)"
    return f"""
        INSERT INTO {STEP} (workflow_id, number, kind, name, function, args, options, state, attempt, failures, due_at,
            claimed_by, result, error, progress, delivery, reached, delivered_at, queue, priority, pool, lane,
            created_at, queued_at, started_at, finished_at)
        SELECT {owner}, new.number, new.kind, new.name, new.function, new.args, new.options, new.state,
            new.attempt, '[]', {due}, new.claimed_by, new.result, new.error, '', new.delivery, new.reached,
            CASE WHEN new.delivery IS NOT NULL THEN {at} END, new.queue, new.priority, new.pool, new.lane, now,
            CASE WHEN new.state = 'queued' THEN {due} ELSE now END, CASE WHEN begun THEN now END,
            CASE WHEN over THEN now END
        FROM {source}"""
