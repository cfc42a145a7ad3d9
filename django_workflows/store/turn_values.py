"""What the statement that writes a turn on PostgreSQL is given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..core.entries import NewStep, StepEnd, TurnRecord
from .rows import dump_failure
from .turn_sql import NEW_COLUMNS

#: States of steps that are over, and were not given up.
ENDED = frozenset({"completed", "failed"})
_OPEN = {"queued", "running", "waiting"}


def due(turn: TurnRecord) -> tuple[str, dict[str, Any]]:
    """SQL, and its values, for when the earliest wait of this workflow is over."""
    if turn.ending is not None:
        return "NULL", {}
    due_in, due_at = next_due(turn)
    if due_in is None:
        return ("NULL", {}) if due_at is None else ("%(due_at)s::timestamptz", {"due_at": due_at})
    relative = "{now} + %(due_in)s::float8 * interval '1 second'"
    if due_at is None:
        return relative, {"due_in": due_in}
    return f"LEAST({relative}, %(due_at)s::timestamptz)", {"due_in": due_in, "due_at": due_at}


def next_due(turn: TurnRecord) -> tuple[float | None, datetime | None]:
    """In how many seconds, and at which instant, the earliest waits of this workflow are over, if it has such."""
    waiting = [step for step in turn.new_steps if step.state == "waiting"]
    delays = [step.delay for step in waiting if step.delay is not None]
    instants = [step.run_at for step in waiting if step.delay is None and step.run_at is not None]
    if turn.next_due is not None:
        instants.append(turn.next_due)
    return min(delays, default=None), min(instants, default=None)


def end_values(end: StepEnd) -> dict[str, Any]:
    return {
        "end_number": end.number,
        "end_state": str(end.state),
        "end_result": end.result,
        "end_error": dump_failure(end.error),
        "end_delivery": end.delivery,
        "end_reached": end.reached,
        "end_attempt": end.attempt,
    }


def list_values(turn: TurnRecord, waits: Sequence[StepEnd]) -> dict[str, Any]:
    return {
        "wait_numbers": [end.number for end in waits],
        "wait_states": [str(end.state) for end in waits],
        "wait_results": [end.result for end in waits],
        "wait_errors": [dump_failure(end.error) for end in waits],
        "wait_deliveries": [end.delivery for end in waits],
        "wait_reached": [end.reached for end in waits],
        "numbers": [number for number, _, _ in turn.deliveries],
        "deliveries": [delivery for _, delivery, _ in turn.deliveries],
        "reached": [reached for _, _, reached in turn.deliveries],
        "dropped": turn.dropped,
        "touched": [end.number for end in turn.step_ends],
    }


def new_kind(turn: TurnRecord) -> str:
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
        "new_lane": int(step.lane),
    }


def new_values(turn: TurnRecord, kind: str) -> dict[str, Any]:
    if kind == "running":
        return _running_values(turn.new_steps[0])
    ending = turn.ending is not None
    rows = [step_values(step, ending=ending) for step in turn.new_steps]
    columns: Sequence[Any] = rows[0] if len(rows) == 1 else [list(column) for column in zip(*rows, strict=True)]
    return {f"new_{name}": column for (name, _), column in zip(NEW_COLUMNS, columns, strict=True)}


def step_values(step: NewStep, *, ending: bool) -> tuple[Any, ...]:
    """A new step as ``NEW_COLUMNS`` have it. ``ending``: its workflow ends, and what is open is canceled."""
    state = str(step.state)
    ended, running = state in ENDED, state == "running"
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
        step.reached,
        step.queue,
        step.priority,
        step.pool,
        int(step.lane),
        running or ended,
        dropped or ended,
    )
