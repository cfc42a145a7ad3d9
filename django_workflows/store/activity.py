"""Counts workflows for people: by state, hour and name. Each count stops at a limit: none reads a whole table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core.journal import WorkflowState
from ..models import first_uuid7
from .database import fetch_all, fetch_one, is_postgresql, put_uuid
from .rows import WORKFLOW

STATES = tuple(state.value for state in WorkflowState)
_TOP = "parent_id IS NULL"
#: In this order they come from an index. Without one PostgreSQL may look for so many in the whole table, thinking that
#: they are everywhere.
_NEWEST = "ORDER BY id DESC LIMIT %s"


def names_in_use() -> list[str]:
    """The names of all workflows that are stored."""
    # Steps from name to name through the index, instead of reading every row.
    rows = fetch_all(f"""
        WITH RECURSIVE used (name) AS (
            SELECT (SELECT min(name) FROM {WORKFLOW})
            UNION ALL
            SELECT (SELECT min(name) FROM {WORKFLOW} WHERE name > used.name) FROM used WHERE used.name IS NOT NULL
        ) SELECT name FROM used WHERE name IS NOT NULL""")
    return [row[0] for row in rows]


def count_by_state(limit: int) -> dict[str, int]:
    """How many top-level workflows are in each state; counting stops at ``limit``."""
    one = f"SELECT count(*) FROM (SELECT 1 FROM {WORKFLOW} WHERE state = '{{}}' AND {_TOP} {_NEWEST}) AS counted"
    row = fetch_one(f"SELECT {', '.join(f'({one.format(state)})' for state in STATES)}", [limit] * len(STATES))
    return dict(zip(STATES, row or (), strict=True))


@dataclass(frozen=True, slots=True)
class Hour:
    """What became of the top-level workflows that were started in an hour, by state."""

    start: datetime
    counts: dict[str, int]


def count_by_hour(end: datetime, hours: int, limit: int) -> list[Hour]:
    """The last ``hours`` before ``end``, oldest first; of each state up to ``limit`` are counted."""
    starts = [end - timedelta(hours=back) for back in range(hours, 0, -1)]
    found = [Hour(start, dict.fromkeys(STATES, 0)) for start in starts]
    bounds: list[object] = []
    for index, start in enumerate(starts):
        ids = first_uuid7(start), first_uuid7(start + timedelta(hours=1))
        bounds += [index, *map(put_uuid, ids)]
    uuid = "%s::uuid" if is_postgresql() else "%s"
    rows = fetch_all(
        f"WITH states (state) AS (VALUES {_rows(1, len(STATES))}), "
        f"hours (number, low, high) AS (VALUES {', '.join([f'(%s, {uuid}, {uuid})'] * hours)}) "
        "SELECT number, state, (SELECT count(*) FROM ("
        f"SELECT 1 FROM {WORKFLOW} WHERE state = states.state AND {_TOP} AND id >= hours.low AND id < hours.high "
        f"{_NEWEST}) AS counted) FROM hours CROSS JOIN states",
        [*STATES, *bounds, limit],
    )
    for number, state, count in rows:
        found[number].counts[state] = count
    return found


def count_by_name(names: Sequence[str], limit: int) -> dict[str, dict[str, int]]:
    """For each name, how many workflows are in each state, children too; counting stops at ``limit``."""
    found: dict[str, dict[str, int]] = {name: {} for name in names}
    if not names:
        return found
    rows = fetch_all(
        f"WITH states (state) AS (VALUES {_rows(1, len(STATES))}), names (name) AS (VALUES {_rows(1, len(names))}) "
        "SELECT name, state, (SELECT count(*) FROM ("
        f"SELECT 1 FROM {WORKFLOW} WHERE name = names.name AND state = states.state {_NEWEST}) AS counted) "
        "FROM names CROSS JOIN states",
        [*STATES, *names, limit],
    )
    for name, state, count in rows:
        found[name][state] = count
    return found


def count_durations(names: Sequence[str], bounds: Sequence[float], limit: int) -> dict[str, list[int]]:
    """For each name, how many of its last ``limit`` completed workflows took up to each of ``bounds``, in seconds.

    The last number is of those that took longer than all of them.
    """
    found = {name: [0] * (len(bounds) + 1) for name in names}
    if not names:
        return found
    one = (
        f"SELECT * FROM (SELECT name, {_SECONDS[is_postgresql()]} AS took FROM {WORKFLOW} "
        "WHERE name = %s AND state = 'completed' ORDER BY id DESC LIMIT %s) AS latest"
    )
    cases = " ".join(f"WHEN took <= {float(bound)!r} THEN {index}" for index, bound in enumerate(bounds))
    rows = fetch_all(
        f"SELECT name, CASE {cases} ELSE {len(bounds)} END AS bucket, count(*) "
        f"FROM ({' UNION ALL '.join([one] * len(names))}) AS every GROUP BY 1, 2",
        [part for name in names for part in (name, limit)],
    )
    for name, bucket, count in rows:
        found[name][bucket] = count
    return found


_SECONDS = {
    True: "extract(epoch FROM finished_at - COALESCE(restarted_at, created_at))",
    False: "(julianday(finished_at) - julianday(COALESCE(restarted_at, created_at))) * 86400",
}


def _rows(columns: int, count: int) -> str:
    return ", ".join([f"({', '.join(['%s'] * columns)})"] * count)
