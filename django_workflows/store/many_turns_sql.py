"""The text of the statement that writes several turns at once on PostgreSQL, and which turns it can write."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ..core.entries import TurnRecord
from .over import INSERT_OVER, are_over
from .rows import STEP, WORKFLOW
from .turn_sql import EPOCH_MICROSECONDS, VOID, given_steps, insert_steps
from .turn_values import ENDED, next_due


class Shape(NamedTuple):
    """What the turns that are written together have in common, and on which the text of their statement depends."""

    first: bool
    exact: bool
    ends: bool
    waits: bool
    deliveries: bool
    goes_on: bool
    asks: bool
    over: bool
    due: bool
    ending: bool


def shape_of(record: TurnRecord) -> Shape | None:
    """The shape of a turn that can be written together with others of the same; ``None`` if it has to be alone.

    Such a turn ends at most one attempt, well, and touches nothing but its own workflow and its steps. What is open
    when the workflow ends is not looked for: there must be none.
    """
    new = record.new_steps
    attempts = [end for end in record.step_ends if end.attempt is not None]
    if record.dropped or record.children or record.forced or record.canceled_at_delivery is not None:
        return None
    if len(attempts) > 1 or any(end.error is not None for end in attempts):
        return None
    if record.ending is not None and any(step.state not in ENDED for step in new):
        return None
    over = are_over(new)
    goes_on = len(new) == 1 and new[0].state == "running"
    return Shape(
        first=record.first,
        exact=record.exact,
        ends=bool(attempts),
        waits=len(record.step_ends) > len(attempts),
        deliveries=bool(record.deliveries),
        goes_on=goes_on,
        asks=bool(new) and not goes_on and not over,
        over=over,
        due=record.ending is None and next_due(record) != (None, None),
        ending=record.ending is not None,
    )


_TURN = (
    ("g_id", "uuid"),
    ("g_generation", "int"),
    ("g_version", "int"),
    ("g_expected", "int"),
    ("g_delivered", "int"),
    ("g_grown", "int"),
    ("g_at", "timestamptz"),
)
_DUE = (("g_due_in", "float8"), ("g_due_at", "timestamptz"))
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
    ("g_lane", "int"),
)
#: What is given of waits that are over, and of outcomes that are handed over.
WAITS = (
    ("w_id", "uuid"),
    ("w_number", "int"),
    ("w_state", "text"),
    ("w_error", "text"),
    ("w_delivery", "int"),
    ("w_reached", "int"),
)
DELIVERIES = (("d_id", "uuid"), ("d_number", "int"), ("d_delivery", "int"), ("d_reached", "int"))
_ENDING = (("g_state", "text"), ("g_result", "text"), ("g_error", "text"))


@lru_cache(maxsize=64)
def given_turns(shape: Shape) -> tuple[tuple[str, str], ...]:
    """What is given of each turn, with PostgreSQL's type of it."""
    return (
        _TURN
        + (_DUE if shape.due else ())
        + (_STEP_END if shape.ends else ())
        + (_NEW_STEP if shape.goes_on else ())
        + (_ENDING if shape.ending else ())
    )


@lru_cache(maxsize=256)
def many_turns_sql(shape: Shape, now: str, expires: str, tells: str) -> str:
    given = given_turns(shape)
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in given)
    names = ", ".join(name for name, _ in given)
    turn = (
        f"turn AS (UPDATE {WORKFLOW} AS workflow SET {_sets(shape, now, expires)} "
        # By their ids alone, however few rows the planner takes the table, or those in progress, to have.
        f"FROM unnest({arrays}) AS given ({names}) WHERE workflow.id = ANY(%(g_id)s::uuid[]) AND workflow.id = g_id "
        f"AND (workflow.state = 'in_progress') IS TRUE AND generation = g_generation AND delivered = g_expected "
        f"{'AND workflow.started_at IS NULL ' if shape.first else ''}"
        f"{'AND workflow.version = g_version ' if shape.exact else ''}"
        "AND (cancel_requested_at IS NULL OR canceled_at_delivery IS NOT NULL) "
        f"RETURNING workflow.id, workflow.version, {now} AS now, given.*)"
    )
    parts, version = [turn], "version"
    if shape.ends:
        parts.append(f"ended AS ({_END_STEPS} RETURNING 1)")
        whole = "(SELECT count(*) FROM ended) = (SELECT count(*) FROM turn)"
        version = f"CASE WHEN {whole} THEN version ELSE ('{VOID} ' || version)::bigint END"
    if shape.waits:
        parts.append(f"waited AS ({_END_WAITS})")
    if shape.deliveries:
        parts.append(f"handed AS ({_DELIVERIES})")
    if shape.goes_on:
        parts.append(f"added AS ({_NEW_STEPS})")
    if shape.asks:
        parts.append(f"asked AS ({_ASKED})")
    if shape.over:
        parts.append(f"over AS ({INSERT_OVER.format(now=now)})")
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
    due = f"LEAST({now} + g_due_in * interval '1 second', g_due_at)" if shape.due else "NULL"
    if shape.exact:
        return f"{sets}, due_at = {due}"
    # Others that wrote since set their own wake-up, which must not be wiped out.
    kept = f"LEAST(due_at, {due})" if shape.due else "due_at"
    return f"{sets}, due_at = CASE WHEN workflow.version = g_version THEN {due} ELSE {kept} END"


_END_STEPS = (
    f"UPDATE {STEP} AS step SET state = 'completed', result = g_end_result, due_at = NULL, finished_at = turn.now, "
    "delivery = g_end_delivery, delivered_at = g_at FROM turn "
    "WHERE workflow_id = turn.id AND number = g_end_number AND step.state = 'running' AND attempt = g_end_attempt"
)
_END_WAITS = (
    f"UPDATE {STEP} AS step SET state = w_state, error = w_error, due_at = NULL, finished_at = turn.now, "
    "delivery = w_delivery, delivered_at = g_at, reached = w_reached FROM turn JOIN "
    "unnest(%(w_id)s::uuid[], %(w_number)s::int[], %(w_state)s::text[], %(w_error)s::text[], "
    "%(w_delivery)s::int[], %(w_reached)s::int[]) "
    "AS ended (w_id, w_number, w_state, w_error, w_delivery, w_reached) ON w_id = turn.id "
    "WHERE workflow_id = turn.id AND number = w_number AND step.state = 'waiting'"
)
_DELIVERIES = (
    f"UPDATE {STEP} AS step SET delivery = d_delivery, delivered_at = g_at, reached = d_reached FROM turn JOIN "
    "unnest(%(d_id)s::uuid[], %(d_number)s::int[], %(d_delivery)s::int[], %(d_reached)s::int[]) "
    "AS handed (d_id, d_number, d_delivery, d_reached) "
    "ON d_id = turn.id WHERE workflow_id = turn.id AND number = d_number"
)
_NEW_STEPS = f"""
    INSERT INTO {STEP} (workflow_id, number, kind, name, function, args, options, state, attempt, failures, due_at,
        claimed_by, progress, queue, priority, lane, pool, created_at, queued_at, started_at)
    SELECT id, g_number, g_kind, g_name, g_function, g_args, g_options, 'running', 1, '[]',
        now + g_seconds * interval '1 second', %(claimed_by)s::text, '', g_queue, g_priority, g_lane, '', now, now, now
    FROM turn"""
_ASKED = insert_steps(f"turn JOIN {given_steps(('owner', 'uuid'))} ON new.owner = turn.id", "turn.id", "turn.g_at")
