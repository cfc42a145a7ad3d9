"""Deletes finished workflows with everything that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from .claiming import skip_locked
from .database import atomic, execute, fetch_all, is_postgresql, now_sql, put_uuid, read_uuid
from .rows import EVENT, STEP, WORKFLOW

_FINISHED = "state <> 'in_progress'"


def delete_tree(workflow_id: UUID) -> bool:
    """Delete a finished workflow with its steps, events and all children; False if unknown or still running.

    Children of a finished workflow that still run (they were given up) keep it from being deleted.
    """
    return delete_trees([workflow_id]) == 1


def delete_trees(ids: Sequence[UUID]) -> int:
    """``delete_tree`` of each, in as many statements as for one of them; how many were deleted."""
    if not ids:
        return 0
    with atomic():
        locked = _lock_finished(ids)
        levels = _levels(locked)
        if levels is None:  # something below one of them still runs
            return sum(delete_tree(each) for each in locked) if len(locked) > 1 else 0
        for level in reversed(levels):
            _delete(level)
        return len(locked)


def _lock_finished(ids: Sequence[UUID]) -> list[UUID]:
    # A change, so that the rows are locked: a restart at this moment waits, and then finds nothing.
    return _ids(
        f"UPDATE {WORKFLOW} SET version = version + 1 WHERE id IN ({_marks(ids)}) AND {_FINISHED} RETURNING id",
        [put_uuid(item) for item in ids],
    )


def delete_descendants(ids: Sequence[UUID]) -> None:
    """Delete these workflows, children of one that ended, with all below them, whatever their state."""
    for level in reversed(_levels(ids, running=True) or []):
        _delete(level)


def lock_descendants(workflow_id: UUID) -> set[str]:
    """Lock all workflows below this one, which the caller has locked; the pools in which their steps have places."""
    pools: set[str] = set()
    for level in _levels([workflow_id], running=True) or []:
        rows = fetch_all(
            f"SELECT DISTINCT pool FROM {STEP} WHERE workflow_id IN ({_marks(level)}) AND pool <> '' "
            "AND state IN ('queued', 'running')",
            [put_uuid(item) for item in level],
        )
        pools.update(row[0] for row in rows)
    return pools


def _levels(ids: Sequence[UUID], *, running: bool = False) -> list[list[UUID]] | None:
    """A tree level by level; ``None`` if something below the top still runs, unless ``running`` ones count as well."""
    levels = [list(ids)]
    while levels[-1] and (children := _children(levels[-1])):
        if not running and any(state == "in_progress" for _, state in children):
            return None
        levels.append([child for child, _ in children])
    return levels


def _children(ids: Sequence[UUID]) -> list[tuple[UUID, str]]:
    rows = fetch_all(
        # A change, so that the rows are locked: none of them is restarted, or takes a turn, from here on.
        f"UPDATE {WORKFLOW} SET name = name WHERE parent_id IN ({_marks(ids)}) RETURNING id, state",
        [put_uuid(item) for item in ids],
    )
    return [(child, row[1]) for row in rows if (child := read_uuid(row[0])) is not None]


def _marks(ids: Sequence[UUID]) -> str:
    return ", ".join("%s" for _ in ids)


def _delete(ids: Sequence[UUID]) -> None:
    for start in range(0, len(ids), 500):
        params = [put_uuid(item) for item in ids[start : start + 500]]
        marks = ", ".join("%s" for _ in params)
        execute(f"DELETE FROM {EVENT} WHERE workflow_id IN ({marks})", params)
        execute(f"DELETE FROM {STEP} WHERE workflow_id IN ({marks})", params)
        execute(f"DELETE FROM {WORKFLOW} WHERE id IN ({marks})", params)


class Expired(NamedTuple):
    """A workflow whose retention is over; ``expires_at`` as the database has it, which SQLite compares as text."""

    id: UUID
    expires_at: object


def expired(limit: int, after: Expired | None = None) -> list[Expired]:
    """Top-level workflows whose retention is over, oldest first, those beyond ``after``.

    Ones that another is deleting are passed over.
    """
    beyond, params = "", []
    if after is not None:
        beyond = " AND (expires_at, id) > (%s, %s)"
        params = [after.expires_at, put_uuid(after.id)]
    as_it_is = "expires_at" if is_postgresql() else "CAST(expires_at AS TEXT)"
    rows = fetch_all(
        f"SELECT id, {as_it_is} FROM {WORKFLOW} WHERE expires_at <= {now_sql()} AND parent_id IS NULL{beyond} "
        f"ORDER BY expires_at, id LIMIT {int(limit)}{skip_locked()}",
        params,
    )
    return [Expired(read_uuid(row[0]), row[1]) for row in rows]  # type: ignore[arg-type]


def finished_before(age: timedelta, after: UUID | None, limit: int) -> list[UUID]:
    """Top-level workflows that ended longer ago than ``age``, by id, those beyond ``after``."""
    beyond, params = ("", []) if after is None else (" AND id > %s", [put_uuid(after)])
    return _ids(
        f"SELECT id FROM {WORKFLOW} WHERE {_FINISHED} AND finished_at <= {now_sql(-age.total_seconds())} "
        f"AND parent_id IS NULL{beyond} ORDER BY id LIMIT {int(limit)}",
        params,
    )


def _ids(sql: str, params: Sequence[object] = ()) -> list[UUID]:
    return [found for row in fetch_all(sql, params) if (found := read_uuid(row[0])) is not None]
