"""Stores new workflows: one, the children of a turn, or thousands at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from ..core.entries import NewWorkflow
from ..core.logic import KNOWN
from ..core.plain_json import size_of
from .arrays import array
from .database import Moment, fetch_all, is_postgresql, local_now, put_instant, put_uuid, read_uuid
from .prepared import run_all, run_for_each
from .rows import WORKFLOW
from .workflows import levels

#: Rows that one statement stores.
_ROWS = 1000

# What differs from row to row, with PostgreSQL's type of it.
_COLUMNS = {
    "id": "uuid",
    "name": "text",
    "args": "text",
    "queue": "text",
    "priority": "int",
    "key": "text",
    "idempotency_key": "text",
    "on_complete": "text",
    "on_complete_seal": "text",
    "context": "text",
    "parent_id": "uuid",
    "parent_step": "int",
    "depth": "int",
    "retain_for": "interval",
    "trace": "text",
    "journal_bytes": "int",
    "scheduled_for": "timestamptz",
    "captured": "text",
}
_TIMES = {"run_at": "timestamptz", "delay": "float8"}
_NAMES = ", ".join(_COLUMNS)
_INSERT = f"""
    INSERT INTO {WORKFLOW} ({_NAMES}, state, problem, generation, version, delivered, deliveries, claimed_by,
        continuations, reopened, logic, created_at, due_at)
"""


def insert(new: NewWorkflow, channel: str = "") -> bool:
    """Store a workflow. False, and nothing stored, if its id or one of its keys is taken.

    ``channel`` is one of PostgreSQL's, on which those who listen hear of its queue, if it was stored.
    """
    return bool(insert_many([new], channel))


def insert_many(news: Sequence[NewWorkflow], channel: str = "") -> set[UUID]:
    """Store workflows, but for those of which the id or a key is taken; the ids of those that were stored."""
    for new in news:
        levels.note(WORKFLOW, new.queue, new.priority)
    if is_postgresql():
        found: set[UUID] = set()
        for start in range(0, len(news), _ROWS):
            found.update(row[0] for row in _insert_arrays(news[start : start + _ROWS], channel))
        return found
    return {new.id for new in news if _insert_row(new)}


def insert_children(children: Sequence[NewWorkflow]) -> None:
    """Store the children of a workflow whose row the caller has locked."""
    if is_postgresql():
        insert_many(children)
        return
    for child in children:
        levels.note(WORKFLOW, child.queue, child.priority)
    run_for_each(_ROW, [_row_values(child) for child in children])


def find_by_idempotency_keys(name: str, keys: Sequence[str]) -> dict[str, UUID]:
    """The workflows of a definition that have one of these keys."""
    found: dict[str, UUID] = {}
    for start in range(0, len(keys), _ROWS // 2):
        some = keys[start : start + _ROWS // 2]
        rows = fetch_all(
            f"SELECT idempotency_key, id FROM {WORKFLOW} WHERE name = %s "
            f"AND idempotency_key IN ({', '.join('%s' for _ in some)})",
            [name, *some],
        )
        found.update((row[0], read_uuid(row[1])) for row in rows)  # type: ignore[misc]
    return found


def _values(new: NewWorkflow) -> tuple[Any, ...]:
    return (
        new.id,
        new.name,
        new.args,
        new.queue,
        new.priority,
        new.key,
        new.idempotency_key,
        new.on_complete,
        new.on_complete_seal,
        new.context,
        new.parent,
        new.parent_step,
        new.depth,
        new.retain_for,
        new.trace,
        size_of(new.args),
        new.scheduled_for,
        new.captured,
    )


# -- PostgreSQL


def _insert_arrays(news: Sequence[NewWorkflow], channel: str) -> list[tuple[Any, ...]]:
    rows = [(*_values(new), new.run_at, new.delay) for new in news]
    names = [*_COLUMNS, *_TIMES]
    if len(rows) == 1:
        return run_all(_postgresql("", "", Moment().sql(), channel), dict(zip(names, rows[0], strict=True)))
    kinds = [*_COLUMNS.values(), *_TIMES.values()]
    columns = [
        list(column) if kind == "interval" else array(column, kind)
        for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)
    ]
    return run_all(_postgresql("[]", "unnest", Moment().sql(), channel), dict(zip(names, columns, strict=True)))


@lru_cache(maxsize=8)
def _postgresql(array: str, unnest: str, now: str, channel: str) -> str:
    tells = f", pg_notify('{channel}', queue)" if channel else ""
    types = {**_COLUMNS, **_TIMES}
    values = ", ".join(f"%({name})s::{kind}{array}" for name, kind in types.items())
    source = f"{unnest}({values})" if unnest else f"(VALUES ({values}))"
    return f"""{_INSERT} SELECT {_NAMES}, 'in_progress', '', 1, 1, 0, 0, '', 0, FALSE, {KNOWN}, {now},
        COALESCE(run_at, {now} + COALESCE(delay, 0) * interval '1 second')
        FROM {source} AS new ({", ".join(types)}) ON CONFLICT DO NOTHING RETURNING id{tells}"""


# -- every other database


def _insert_row(new: NewWorkflow) -> bool:
    return bool(run_all(f"{_ROW} ON CONFLICT DO NOTHING RETURNING id", _row_values(new)))


_PLACES = ", ".join("%s" for _ in _COLUMNS)
_ROW = f"{_INSERT} VALUES ({_PLACES}, 'in_progress', '', 1, 1, 0, 0, '', 0, FALSE, {KNOWN}, %s, %s)"


def _row_values(new: NewWorkflow) -> tuple[object, ...]:
    values = list(_values(new))
    values[0], values[10] = put_uuid(new.id), put_uuid(new.parent)
    if new.retain_for is not None:
        values[13] = round(new.retain_for.total_seconds() * 1_000_000)
    if new.scheduled_for is not None:
        values[16] = put_instant(new.scheduled_for)
    now = local_now()
    due = now + timedelta(seconds=new.delay or 0.0) if new.run_at is None else new.run_at
    return (*values, put_instant(now), put_instant(due))
