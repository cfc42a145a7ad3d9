"""Rows of workflows: made, claimed, locked, read."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from ..conf import settings
from ..core.blocked import BlockedReason
from ..core.excerpts import preview
from ..core.journal import Lane, WorkflowRecord, WorkflowState
from ..exceptions import InvalidArguments
from ..models import Workflow
from .blocked import only_blocked
from .claiming import due_order, not_waited_for, of_known_logic, skip_locked
from .database import (
    Moment,
    alias,
    clock,
    execute,
    fetch_all,
    fetch_one,
    is_postgresql,
    now_sql,
    put_uuid,
    read_instant,
    read_uuid,
)
from .listening import telling
from .prepared import run_one
from .rows import STEP, WORKFLOW, WORKFLOW_COLUMNS, workflow_record


def find_by_idempotency_key(name: str, key: str) -> UUID | None:
    row = fetch_one(f"SELECT id FROM {WORKFLOW} WHERE name = %s AND idempotency_key = %s", [name, key])
    return None if row is None else read_uuid(row[0])


def find_running(name: str, key: str) -> UUID | None:
    """The running workflow of a definition and key; locked, so that it stays the running one while the caller looks."""
    row = fetch_one(
        f"UPDATE {WORKFLOW} SET key = key WHERE name = %s AND key = %s AND state = 'in_progress' RETURNING id",
        [name, key],
    )
    return None if row is None else read_uuid(row[0])


def read(workflow_id: UUID) -> WorkflowRecord | None:
    """The workflow as it stands; nothing is locked."""
    row = fetch_one(f"SELECT {WORKFLOW_COLUMNS} FROM {WORKFLOW} WHERE id = %s", [put_uuid(workflow_id)])
    return None if row is None else workflow_record(row)


def version(workflow_id: UUID) -> int | None:
    """The number of the last change; ``None`` if there is no such workflow."""
    row = fetch_one(f"SELECT version FROM {WORKFLOW} WHERE id = %s", [put_uuid(workflow_id)])
    return None if row is None else int(row[0])


def lock(
    workflow_id: UUID, generation: int | None = None, *, sending: bool = False
) -> tuple[WorkflowRecord, datetime] | None:
    """Lock a running workflow until the end of the transaction, and count a change; returns the database's time too.

    ``None`` if it is unknown, ended, or of another generation. Everything that is decided about a workflow is read
    after this. ``sending``: to send it an event, which is noted.
    """
    sets = f", has_events = {'TRUE' if is_postgresql() else '1'}" if sending else ""
    fence, params = ("", []) if generation is None else (" AND generation = %s", [generation])
    row = fetch_one(
        f"UPDATE {WORKFLOW} SET version = version + 1{sets} WHERE id = %s AND state = 'in_progress'{fence} "
        f"RETURNING {WORKFLOW_COLUMNS}{telling()}, {now_sql()}",
        [put_uuid(workflow_id), *params],
    )
    return None if row is None else (workflow_record(row), clock.read(row[-1]))


# -- claims


class _Levels:
    """Priorities in use, highest first: a claim visits each of them.

    Looked up anew every second, so a level that another process begins to use is seen a moment later; 0 always is.
    The first claim after a pause does not wait for that: it visits the known ones, and looks up if that is in vain.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[float, tuple[int, ...]]] = {}
        self._overdue: set[tuple[str, str, str]] = set()

    def of(self, table: str, queue: str) -> Iterator[int]:
        key = (alias(), table, queue)
        read_at, found = self._known.get(key, (-math.inf, ()))
        late = time.monotonic() - read_at > 1.0
        if late and found and key not in self._overdue:
            self._overdue.add(key)
            yield from found
            yield from (priority for priority in self._look_up(key) if priority not in found)
        else:
            yield from self._look_up(key) if late else found

    def _look_up(self, key: tuple[str, str, str]) -> tuple[int, ...]:
        found = _descending({0, *_read_levels(*key[1:])})
        self._known[key] = (time.monotonic(), found)
        self._overdue.discard(key)
        return found

    def note(self, table: str, queue: str, priority: int) -> None:
        """This process has just written work of that priority."""
        key = (alias(), table, queue)
        read_at, found = self._known.get(key, (-math.inf, ()))
        if priority not in found:
            self._known[key] = (read_at, _descending({priority, *found}))


def _descending(found: set[int]) -> tuple[int, ...]:
    return tuple(sorted(found, reverse=True))


levels = _Levels()


def _read_levels(table: str, queue: str) -> tuple[int, ...]:
    where = f"queue = %s AND {live(table)}"
    # Steps from level to level through the index, instead of reading all that sleeps.
    sql = f"""
        WITH RECURSIVE level (priority) AS (
            SELECT (SELECT max(priority) FROM {table} WHERE {where})
            UNION ALL
            SELECT (SELECT max(priority) FROM {table} WHERE {where} AND priority < level.priority)
            FROM level WHERE level.priority IS NOT NULL
        ) SELECT priority FROM level WHERE priority IS NOT NULL"""
    return tuple(row[0] for row in fetch_all(sql, [queue, queue]))


def live(table: str) -> str:
    """The condition of the table's index of due work, in the words of the index."""
    return "due_at IS NOT NULL" + ("" if table == WORKFLOW else " AND state IN ('queued', 'running')")


def slices(table: str, queue: str) -> Iterator[tuple[str, list[object]]]:
    """The index of due work in parts that are each in the order of ``due_at``: a condition and its parameters."""
    for priority in levels.of(table, queue):
        for lane in ("",) if table == WORKFLOW else [f" AND lane = {int(lane)}" for lane in Lane]:
            yield f"queue = %s AND priority = %s{lane} AND {live(table)}", [queue, priority]


def claim_turn(queue: str, worker: str) -> WorkflowRecord | None:
    """Take a workflow that is due, for the length of a lease; ``None`` if none is. Counts the delivery."""
    for priority in levels.of(WORKFLOW, queue):
        moment = Moment()
        row = run_one(
            f"UPDATE {WORKFLOW} SET due_at = {moment.sql(settings.LEASE)}, deliveries = deliveries + 1, "
            f"claimed_by = %s WHERE id = (SELECT id FROM {WORKFLOW} WHERE queue = %s AND priority = %s "
            f"AND due_at <= {moment.sql()}{of_known_logic()} ORDER BY {due_order()} LIMIT 1{skip_locked()}) "
            f"RETURNING {WORKFLOW_COLUMNS}{not_waited_for()}, {moment.sql()}",
            [worker, queue, priority],
        )
        if row is not None:
            clock.read(row[-1])
            return workflow_record(row)
    return None


def next_due(queue: str) -> float | None:
    """Seconds until the next work of this queue is due, not above 0 if it is already; ``None`` if there is none."""
    parts, params = [], list[object]()
    for table, known in ((WORKFLOW, of_known_logic()), (STEP, "")):
        for slice_, its_params in slices(table, queue):
            parts.append(
                f"SELECT due_at FROM (SELECT due_at FROM {table} WHERE {slice_} {known} ORDER BY due_at LIMIT 1) AS due"
            )
            params += its_params
    if not parts:
        return None
    row = run_one(f"SELECT min(due_at), {now_sql()} FROM ({' UNION ALL '.join(parts)}) AS due", params)
    if row is None or row[0] is None:
        return None
    due_at, now = read_instant(row[0]), read_instant(row[1])
    assert due_at is not None and now is not None
    return (due_at - now).total_seconds()


def make_due(workflow_id: UUID) -> None:
    """Have a worker look at a workflow now. The caller has locked it and written what there is to see."""
    execute(
        f"UPDATE {WORKFLOW} SET due_at = {now_sql()} WHERE id = %s AND state = 'in_progress'", [put_uuid(workflow_id)]
    )


def note_never_awaited(workflow_id: UUID, steps: str) -> None:
    """Keep which steps the workflow's function never awaited; the caller's transaction ends the workflow."""
    execute(f"UPDATE {WORKFLOW} SET never_awaited = %s WHERE id = %s", [steps, put_uuid(workflow_id)])


def set_on_complete_error(workflow_id: UUID, error: str | None) -> None:
    execute(f"UPDATE {WORKFLOW} SET on_complete_error = %s WHERE id = %s", [error, put_uuid(workflow_id)])


def queryset() -> QuerySet[Workflow]:
    """All workflows, newest first."""
    return Workflow.objects.using(alias()).order_by("-id")


def listed(name: str | None, state: str | None, reason: str | None) -> QuerySet[Workflow]:
    """Those of one definition, in one state or ``"blocked"``, or blocked by one reason, where these are given."""
    found = queryset() if name is None else queryset().filter(name=name)
    if reason is not None:
        if state not in (None, "blocked", WorkflowState.IN_PROGRESS):
            raise InvalidArguments(f"reason= is of blocked workflows, and so goes with no state {preview(state)}.")
        return only_blocked(found, BlockedReason(_one_of("reason", reason, BlockedReason)))
    if state is None:
        return found
    wanted = _one_of("state", state, (*WorkflowState, "blocked"))
    return only_blocked(found) if wanted == "blocked" else found.filter(state=wanted)


def _one_of(what: str, value: object, known: Iterable[str]) -> str:
    words = [str(each) for each in known]
    if value not in words:
        raise InvalidArguments(f"{what}= is {preview(value)}, which is none. Write one of {', '.join(words)}.")
    return str(value)


def add_bytes(workflow_id: UUID, count: int) -> None:
    """Count what a step's result adds to the journal; the caller has locked the workflow."""
    execute(f"UPDATE {WORKFLOW} SET journal_bytes = journal_bytes + %s WHERE id = %s", [count, put_uuid(workflow_id)])
