"""Inserts steps that a turn has already brought to their end, on PostgreSQL: many alike, with little given of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.entries import NewStep, TurnRecord
from .arrays import array
from .rows import STEP

#: What is given of each workflow, of each kind of step, and of each step, with PostgreSQL's type of it.
_OWNER = (("o_id", "uuid"), ("o_at", "timestamptz"))
_ALIKE = (
    ("k_kind", "text"),
    ("k_name", "text"),
    ("k_function", "text"),
    ("k_options", "text"),
    ("k_queue", "text"),
    ("k_priority", "int"),
    ("k_pool", "text"),
)
_EACH = (
    ("s_owner", "int"),
    ("s_alike", "int"),
    ("s_number", "int"),
    ("s_args", "text"),
    ("s_result", "text"),
    ("s_delivery", "int"),
)


def are_over(steps: Sequence[NewStep]) -> bool:
    """Whether there are such steps and no others, all of them functions that went well."""
    return bool(steps) and all(
        step.state == "completed" and step.kind in ("mutation", "query") and step.delivery is not None for step in steps
    )


def over_values(records: Sequence[TurnRecord]) -> dict[str, Any]:
    """What the statement is given of the new steps of these turns, all of which are over."""
    alike: dict[tuple[Any, ...], int] = {}
    rows: list[tuple[Any, ...]] = []
    for owner, record in enumerate(records, 1):
        for step in record.new_steps:
            key = (step.kind, step.name, step.function, step.options, step.queue, step.priority, step.pool)
            which = alike.setdefault(key, len(alike) + 1)
            rows.append((owner, which, step.number, step.args, step.result, step.delivery))
    owners = [(record.workflow_id, record.at) for record in records]
    return {**_arrays(_OWNER, owners), **_arrays(_ALIKE, list(alike)), **_arrays(_EACH, rows)}


def _arrays(given: Sequence[tuple[str, str]], rows: Sequence[tuple[Any, ...]]) -> dict[str, str]:
    columns = zip(*rows, strict=True)
    return {name: array(column, kind) for (name, kind), column in zip(given, columns, strict=True)}


def _of(index: str, given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """SQL for what is given of the owner of a step, or of those like it."""
    return {name: f"(%({name})s::{kind}[])[{index}]" for name, kind in given}


# Without a join, which would be planned for other numbers than there are: all of them are inserted, if all turns hold.
_SQL = _of("s_owner", _OWNER) | _of("s_alike", _ALIKE)
INSERT_OVER = f"""
    INSERT INTO {STEP} (workflow_id, number, kind, name, function, args, options, state, attempt, failures, claimed_by,
        result, progress, delivery, delivered_at, queue, priority, pool, created_at, queued_at, started_at, finished_at)
    SELECT {_SQL["o_id"]}, s_number, {_SQL["k_kind"]}, {_SQL["k_name"]}, {_SQL["k_function"]}, s_args,
        {_SQL["k_options"]}, 'completed', 1, '[]', '', s_result, '', s_delivery, {_SQL["o_at"]}, {_SQL["k_queue"]},
        {_SQL["k_priority"]}, {_SQL["k_pool"]}, {{now}}, {{now}}, {{now}}, {{now}}
    FROM unnest({", ".join(f"%({name})s::{kind}[]" for name, kind in _EACH)})
        AS step ({", ".join(name for name, _ in _EACH)})
    WHERE (SELECT count(*) FROM turn) = cardinality(%(o_id)s::uuid[])"""
