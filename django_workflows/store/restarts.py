"""Brings finished workflows back to life, with their journal or a part of it. One transaction of the caller's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from ..core.entries import NewWorkflow, StepEnd
from ..core.histories import IMPORTED
from ..core.journal import StepState
from ..core.restart_plan import FailedStep
from ..models import uuid7
from . import events
from .database import (
    bytes_sql,
    clock,
    execute,
    fetch_all,
    fetch_one,
    is_postgresql,
    now_sql,
    put_instant,
    put_uuid,
    read_instant,
    read_uuid,
)
from .journals import end_wait
from .new_workflows import insert_children
from .retention import delete_descendants
from .rows import EVENT, STEP, WORKFLOW

_REOPENED = "state = 'canceled' AND delivery IS NULL"


class Restartable(NamedTuple):
    """A workflow as a restart finds it, locked: its state, its error as JSON, and whether it is blocked."""

    state: str
    error: str | None
    blocked: bool


def lock_for_restart(workflow_id: UUID) -> Restartable | None:
    """Lock a workflow that is to be restarted, whatever its state; ``None`` if there is none."""
    row = fetch_one(
        f"UPDATE {WORKFLOW} SET name = name WHERE id = %s RETURNING state, error, problem", [put_uuid(workflow_id)]
    )
    return None if row is None else Restartable(row[0], row[1], row[0] == "in_progress" and row[2] != "")


def reopen(workflow_id: UUID, *, blocked: bool = False) -> tuple[datetime, str, int] | None:
    """Make a finished workflow run again, as a new generation, due now; the database's time, the queue, its number.

    ``None`` if it is unknown, not finished, or was imported. ``blocked``: one that is blocked will do as well. The
    caller goes on to drop and reopen steps.
    """
    wanted = "(state <> 'in_progress' OR problem <> '')" if blocked else "state <> 'in_progress'"
    row = fetch_one(
        f"UPDATE {WORKFLOW} SET state = 'in_progress', generation = generation + 1, version = version + 1, "
        f"restarted_at = {now_sql()}, result = NULL, error = NULL, problem = '', due_at = {now_sql()}, "
        "finished_at = NULL, expires_at = NULL, "
        "deliveries = 0, claimed_by = '', on_complete_error = NULL, never_awaited = '', "
        f"reopened = {'TRUE' if is_postgresql() else '1'} "
        f"WHERE id = %s AND {wanted} AND queue <> %s RETURNING {now_sql()}, queue, generation",
        [put_uuid(workflow_id), IMPORTED],
    )
    return None if row is None else (clock.read(row[0]), row[1], row[2])


def last_step(workflow_id: UUID, name: str) -> int | None:
    """The number of the last step of that name or function."""
    row = fetch_one(
        f"SELECT max(number) FROM {STEP} WHERE workflow_id = %s AND (name = %s OR function = %s)",
        [put_uuid(workflow_id), name, name],
    )
    return None if row is None or row[0] is None else int(row[0])


def has_step(workflow_id: UUID, number: int) -> bool:
    row = fetch_one(f"SELECT 1 FROM {STEP} WHERE workflow_id = %s AND number = %s", [put_uuid(workflow_id), number])
    return row is not None


def count_steps(workflow_id: UUID) -> int:
    """How many steps the journal numbers."""
    row = fetch_one(f"SELECT max(number) FROM {STEP} WHERE workflow_id = %s", [put_uuid(workflow_id)])
    return 0 if row is None or row[0] is None else int(row[0]) + 1


def step_names(workflow_id: UUID) -> list[str]:
    """The names and functions of the steps, each once."""
    rows = fetch_all(f"SELECT DISTINCT name, function FROM {STEP} WHERE workflow_id = %s", [put_uuid(workflow_id)])
    return sorted({each for row in rows for each in row if each})


def failed_steps(workflow_id: UUID) -> list[FailedStep]:
    """The failed steps, in order."""
    rows = fetch_all(
        f"SELECT number, delivery, reached, created_at, delivered_at FROM {STEP} "
        "WHERE workflow_id = %s AND state = 'failed' ORDER BY number",
        [put_uuid(workflow_id)],
    )
    found = []
    for number, delivery, reached, created_at, delivered_at in rows:
        asked_at = read_instant(created_at)
        assert asked_at is not None
        found.append(FailedStep(number, delivery, reached, asked_at, read_instant(delivered_at)))
    return found


def steps_asked(workflow_id: UUID) -> list[tuple[int, datetime]]:
    """When each step was asked for."""
    rows = fetch_all(f"SELECT number, created_at FROM {STEP} WHERE workflow_id = %s", [put_uuid(workflow_id)])
    return [(number, at) for number, text in rows if (at := read_instant(text)) is not None]


def failed_children(workflow_id: UUID, numbers: Sequence[int]) -> tuple[list[UUID], list[int]]:
    """Of the failed steps ``numbers``: the children that ended badly, and the steps whose child cannot run again."""
    children, orphans = [], []
    for some in _pieces(numbers):
        rows = fetch_all(
            f"SELECT step.number, child.id, child.state FROM {STEP} AS step LEFT JOIN {WORKFLOW} AS child "
            "ON child.parent_id = step.workflow_id AND child.parent_step = step.number "
            f"WHERE step.workflow_id = %s AND step.kind = 'workflow' AND step.number IN ({_marks(some)}) "
            "ORDER BY step.number",
            [put_uuid(workflow_id), *some],
        )
        for number, child, state in rows:
            found = None if state not in ("failed", "canceled") else read_uuid(child)
            if found is None:
                orphans.append(number)
            else:
                children.append(found)
    return children, orphans


def run_again(workflow_id: UUID, numbers: Sequence[int], now: datetime) -> None:
    """Undo the failures of these steps: functions are queued as if never tried, what waited waits again."""
    at, owner = put_instant(now), put_uuid(workflow_id)
    undone = "error = NULL, result = NULL, delivery = NULL, delivered_at = NULL, reached = NULL, finished_at = NULL"
    for some in _pieces(numbers):
        which = f"WHERE workflow_id = %s AND state = 'failed' AND number IN ({_marks(some)})"
        execute(
            f"UPDATE {STEP} SET state = 'queued', due_at = %s, queued_at = %s, started_at = NULL, attempt = 0, "
            f"failures = '[]', progress = '', claimed_by = '', {undone} {which} "
            "AND kind IN ('query', 'mutation', 'action')",
            [at, at, owner, *some],
        )
        execute(
            f"UPDATE {STEP} SET state = 'waiting', due_at = NULL, {undone} {which} AND kind IN ('event', 'workflow')",
            [owner, *some],
        )
        # An event that came as an error: one that was made ahead can be sent again.
        taken = f"WHERE workflow_id = %s AND state = 'consumed' AND step IN ({_marks(some)})"
        ahead = f"EXISTS (SELECT 1 FROM {STEP} AS step WHERE step.workflow_id = {EVENT}.workflow_id AND step.number = "
        ahead += f"{EVENT}.step AND step.function LIKE %s)"
        execute(
            f"UPDATE {EVENT} SET state = 'created', value = NULL, error = NULL, sent_at = NULL, sequence = 0, "
            f"step = NULL {taken} AND {ahead}",
            [owner, *some, "id:%"],
        )
        execute(f"DELETE FROM {EVENT} {taken}", [owner, *some])


def _pieces(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[begin : begin + 500] for begin in range(0, len(numbers), 500))


def _marks(some: Sequence[object]) -> str:
    return ", ".join("%s" for _ in some)


def keep_given_up(workflow_id: UUID, number: int) -> None:
    """Let ``reopen_steps`` leave alone what the function gave up before it asked for step ``number``.

    They are marked with a delivery that no step has, until ``forget_given_up``.
    """
    execute(
        f"UPDATE {STEP} SET delivery = 0 WHERE workflow_id = %s AND {_REOPENED} AND finished_at < "
        f"(SELECT created_at FROM {STEP} AS step WHERE step.workflow_id = %s AND step.number = %s)",
        [put_uuid(workflow_id), put_uuid(workflow_id), number],
    )


def forget_given_up(workflow_id: UUID) -> None:
    execute(f"UPDATE {STEP} SET delivery = NULL WHERE workflow_id = %s AND delivery = 0", [put_uuid(workflow_id)])


def drop_from(workflow_id: UUID, number: int) -> None:
    """Forget the steps from a number on, with their events and children."""
    children = fetch_all(
        f"SELECT id FROM {WORKFLOW} WHERE parent_id = %s AND parent_step >= %s", [put_uuid(workflow_id), number]
    )
    delete_descendants([found for row in children if (found := read_uuid(row[0])) is not None])
    execute(f"DELETE FROM {EVENT} WHERE workflow_id = %s AND step >= %s", [put_uuid(workflow_id), number])
    execute(f"DELETE FROM {STEP} WHERE workflow_id = %s AND number >= %s", [put_uuid(workflow_id), number])


def forget_cancellation(workflow_id: UUID) -> None:
    """Undo a cancellation: steps that were asked for after it go, and the handler is not told of it again."""
    row = fetch_one(
        f"SELECT canceled_at_step, canceled_at_delivery FROM {WORKFLOW} WHERE id = %s", [put_uuid(workflow_id)]
    )
    if row is not None and row[0] is not None:
        drop_from(workflow_id, row[0])
    if row is not None and row[1] is not None:
        execute(
            f"UPDATE {STEP} SET delivery = NULL, delivered_at = NULL WHERE workflow_id = %s AND delivery > %s",
            [put_uuid(workflow_id), row[1]],
        )
    execute(
        f"UPDATE {WORKFLOW} SET cancel_requested_at = NULL, canceled_at_delivery = NULL, canceled_at_step = NULL "
        "WHERE id = %s",
        [put_uuid(workflow_id)],
    )


def reopen_steps(workflow_id: UUID, now: datetime, *, anew: bool = False) -> int:
    """Open again the steps that the workflow's end canceled, and say how many those were.

    What the handler itself gave up is among them: it gives that up again in its next turn. Timers are taken to be
    over, or begin ``anew``.
    """
    at, workflow = put_instant(now), put_uuid(workflow_id)
    reopened = execute(
        f"UPDATE {STEP} SET state = 'queued', due_at = %s, queued_at = %s, started_at = NULL, finished_at = NULL, "
        f"attempt = 0, failures = '[]' WHERE workflow_id = %s AND {_REOPENED} "
        "AND kind IN ('query', 'mutation', 'action')",
        [at, at, workflow],
    )
    if anew:
        _begin_timers(workflow_id, now)
    else:
        over = f"UPDATE {STEP} SET due_at = %s WHERE workflow_id = %s AND {_REOPENED} AND kind = 'sleep'"
        execute(over, [at, workflow])
    _new_children(workflow_id)
    reopened += execute(
        f"UPDATE {STEP} SET state = 'waiting', created_at = %s, finished_at = NULL WHERE workflow_id = %s "
        f"AND {_REOPENED} AND kind IN ('sleep', 'event', 'workflow')",
        [at, workflow],
    )
    _reopen_waits(workflow_id, now)
    _make_events(workflow_id, now)
    return reopened


def _begin_timers(workflow_id: UUID, now: datetime) -> None:
    rows = fetch_all(
        f"SELECT number, args FROM {STEP} WHERE workflow_id = %s AND {_REOPENED} AND kind = 'sleep'",
        [put_uuid(workflow_id)],
    )
    for number, text in rows:
        args = json.loads(text)
        until = args.get("until")
        due = datetime.fromisoformat(until) if until else now + timedelta(seconds=args.get("seconds", 0.0))
        execute(
            f"UPDATE {STEP} SET due_at = %s WHERE workflow_id = %s AND number = %s",
            [put_instant(max(now, due)), put_uuid(workflow_id), number],
        )


def _make_events(workflow_id: UUID, now: datetime) -> None:
    """Make the events that the handler had asked for when it was canceled, before they were made."""
    rows = fetch_all(
        f"SELECT number, name, options FROM {STEP} WHERE workflow_id = %s AND {_REOPENED} AND kind = 'create_event' "
        "ORDER BY number",
        [put_uuid(workflow_id)],
    )
    for number, name, options in rows:
        event_id = uuid7()
        events.create(event_id, workflow_id, name, now, str(json.loads(options).get("event", "")))
        execute(
            f"UPDATE {STEP} SET state = 'completed', result = %s, started_at = %s, finished_at = %s "
            "WHERE workflow_id = %s AND number = %s",
            [json.dumps(str(event_id)), put_instant(now), put_instant(now), put_uuid(workflow_id), number],
        )


def _reopen_waits(workflow_id: UUID, now: datetime) -> None:
    """Give waits the events that were sent since they were canceled, and begin the timeouts of the others anew."""
    rows = fetch_all(
        f"SELECT number, function, args FROM {STEP} WHERE workflow_id = %s AND kind = 'event' AND state = 'waiting' "
        "ORDER BY number",
        [put_uuid(workflow_id)],
    )
    for number, function, args in rows:
        how, _, wanted = function.partition(":")
        taken = events.take(workflow_id, number, *((wanted, None) if how == "name" else (None, UUID(wanted))))
        timeout = json.loads(args)["timeout"]
        if taken is not None:
            state = StepState.COMPLETED if taken[1] is None else StepState.FAILED
            end_wait(workflow_id, StepEnd(number, state, *taken), now)
        elif timeout is not None:
            execute(
                f"UPDATE {STEP} SET due_at = %s WHERE workflow_id = %s AND number = %s",
                [put_instant(now + timedelta(seconds=timeout)), put_uuid(workflow_id), number],
            )


def _new_children(workflow_id: UUID) -> None:
    """A child that was canceled with its parent is begun anew."""
    steps = fetch_all(
        "SELECT step.number, step.function, step.args, step.queue, step.priority, workflow.depth, workflow.trace "
        f"FROM {STEP} AS step JOIN {WORKFLOW} AS workflow ON workflow.id = step.workflow_id "
        f"WHERE step.workflow_id = %s AND step.state = 'canceled' AND delivery IS NULL AND kind = 'workflow'",
        [put_uuid(workflow_id)],
    )
    if steps:
        _delete_children(workflow_id, [row[0] for row in steps])
    insert_children(
        [
            NewWorkflow(
                id=uuid7(),
                name=row[1],
                args=row[2],
                queue=row[3],
                priority=row[4],
                parent=workflow_id,
                parent_step=row[0],
                depth=row[5] + 1,
                trace=row[6],
            )
            for row in steps
        ]
    )


def _delete_children(workflow_id: UUID, numbers: Sequence[int]) -> None:
    rows = fetch_all(
        f"SELECT id FROM {WORKFLOW} WHERE parent_id = %s AND parent_step IN ({', '.join('%s' for _ in numbers)})",
        [put_uuid(workflow_id), *numbers],
    )
    delete_descendants([found for row in rows if (found := read_uuid(row[0])) is not None])


def renumber_deliveries(workflow_id: UUID) -> None:
    """Let the count of deliveries be that of the journal as it is left."""
    execute(
        f"UPDATE {WORKFLOW} SET delivered = (SELECT COALESCE(max(delivery), 0) FROM {STEP} WHERE workflow_id = %s), "
        f"journal_bytes = {bytes_sql('args')} + (SELECT COALESCE(sum({bytes_sql('args')} "
        f"+ COALESCE({bytes_sql('result')}, 0)), 0) "
        f"FROM {STEP} WHERE workflow_id = %s) WHERE id = %s",
        [put_uuid(workflow_id)] * 3,
    )
