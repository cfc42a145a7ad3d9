"""Events: sent, kept, taken. The caller of each has locked the workflow's row."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from ..core.journal import Failure
from ..models import Event
from .database import alias, execute, fetch_all, fetch_one, put_instant, put_uuid, read_uuid
from .rows import EVENT, STEP, dump_failure


def create(event_id: UUID, workflow_id: UUID, name: str, now: datetime, definition: str = "") -> None:
    """Make an event ahead of time; ``definition`` is where its type was defined, if it has one."""
    execute(
        f"INSERT INTO {EVENT} (id, workflow_id, name, state, created_at, sequence, definition) "
        "VALUES (%s, %s, %s, 'created', %s, 0, %s)",
        [put_uuid(event_id), put_uuid(workflow_id), name, put_instant(now), definition],
    )


def owner(event_id: UUID) -> tuple[UUID, str, str] | None:
    """The workflow, name and definition of an event; no lock needed, they never change."""
    row = fetch_one(f"SELECT workflow_id, name, definition FROM {EVENT} WHERE id = %s", [put_uuid(event_id)])
    if row is None:
        return None
    workflow_id = read_uuid(row[0])
    assert workflow_id is not None
    return workflow_id, row[1], row[2]


def sent_with(workflow_id: UUID, key: str) -> tuple[UUID, str] | None:
    """The event that was sent to this workflow with that idempotency key, and the print of what was sent."""
    row = fetch_one(
        f"SELECT id, fingerprint FROM {EVENT} WHERE workflow_id = %s AND idempotency_key = %s",
        [put_uuid(workflow_id), key],
    )
    if row is None:
        return None
    event_id = read_uuid(row[0])
    assert event_id is not None
    return event_id, row[1]


def put_key(event_id: UUID, key: str, fingerprint: str) -> None:
    """Note the idempotency key with which an event is sent."""
    execute(
        f"UPDATE {EVENT} SET idempotency_key = %s, fingerprint = %s WHERE id = %s",
        [key, fingerprint, put_uuid(event_id)],
    )


def state_of(event_id: UUID) -> str | None:
    row = fetch_one(f"SELECT state FROM {EVENT} WHERE id = %s", [put_uuid(event_id)])
    return None if row is None else str(row[0])


def was_sent(event_id: UUID, now: datetime, sequence: int) -> bool:
    """Whether the event was sent at that time, as the change of that number: by ``send`` with just these."""
    row = fetch_one(
        f"SELECT 1 FROM {EVENT} WHERE id = %s AND sent_at = %s AND sequence = %s",
        [put_uuid(event_id), put_instant(now), sequence],
    )
    return row is not None


def waiting_step(workflow_id: UUID, name: str, event_id: UUID | None) -> tuple[int, str] | None:
    """The first step that waits for the event of this id, else for one of this name, and was not given one.

    With where the type that it waits for was defined, "" if it says none.
    """
    wanted = [function_of(name, None)] if event_id is None else [function_of(None, event_id), function_of(name, None)]
    for function in wanted:
        row = fetch_one(
            f"SELECT number, options FROM {STEP} WHERE workflow_id = %s AND kind = 'event' AND state = 'waiting' "
            "AND function = %s ORDER BY number LIMIT 1",
            [put_uuid(workflow_id), function],
        )
        if row is not None:
            return int(row[0]), str(json.loads(row[1]).get("event", ""))
    return None


def consume(event_id: UUID, number: int) -> None:
    """Note which step took an event."""
    execute(f"UPDATE {EVENT} SET state = 'consumed', step = %s WHERE id = %s", [number, put_uuid(event_id)])


def give_back(workflow_id: UUID, number: int) -> tuple[UUID, str] | None:
    """Take the event from a step, which counts as canceled then, and keep it as sent; its id and name."""
    row = fetch_one(
        f"UPDATE {EVENT} SET state = 'sent', step = NULL WHERE workflow_id = %s AND step = %s AND state = 'consumed' "
        "RETURNING id, name",
        [put_uuid(workflow_id), number],
    )
    if row is None:
        return None
    execute(
        f"UPDATE {STEP} SET state = 'canceled', result = NULL, error = NULL WHERE workflow_id = %s AND number = %s",
        [put_uuid(workflow_id), number],
    )
    event_id = read_uuid(row[0])
    assert event_id is not None
    return event_id, row[1]


def refuse(workflow_id: UUID, number: int, error: Failure) -> None:
    """Let a wait that was given an event end with this error instead: its value cannot be read there."""
    execute(
        f"UPDATE {STEP} SET state = 'failed', result = NULL, error = %s WHERE workflow_id = %s AND number = %s "
        "AND state = 'completed'",
        [dump_failure(error), put_uuid(workflow_id), number],
    )


def untaken(workflow_id: UUID) -> dict[str, int]:
    """How many events were sent to a workflow and not taken, by name; of the first hundred names."""
    rows = fetch_all(
        f"SELECT name, count(*) FROM {EVENT} WHERE workflow_id = %s AND state = 'sent' GROUP BY name ORDER BY name "
        "LIMIT 100",
        [put_uuid(workflow_id)],
    )
    return {row[0]: int(row[1]) for row in rows}


def function_of(name: str | None, event_id: UUID | str | None) -> str:
    """What an event step waits for, as its ``function`` column says it."""
    return f"id:{event_id}" if event_id is not None else f"name:{name}"


def send(
    event_id: UUID, workflow_id: UUID, name: str, value: str | None, error: Failure | None, now: datetime, sequence: int
) -> None:
    """Keep a sent event, one that was created ahead or a new one."""
    changed = execute(
        f"UPDATE {EVENT} SET state = 'sent', value = %s, error = %s, sent_at = %s, sequence = %s WHERE id = %s",
        [value, dump_failure(error), put_instant(now), sequence, put_uuid(event_id)],
    )
    if not changed:
        execute(
            f"INSERT INTO {EVENT} (id, workflow_id, name, state, value, error, created_at, sent_at, sequence) "
            "VALUES (%s, %s, %s, 'sent', %s, %s, %s, %s, %s)",
            [
                put_uuid(event_id),
                put_uuid(workflow_id),
                name,
                value,
                dump_failure(error),
                put_instant(now),
                put_instant(now),
                sequence,
            ],
        )


def take(
    workflow_id: UUID, number: int, name: str | None, event_id: UUID | None
) -> tuple[str | None, Failure | None] | None:
    """Give the step the first event sent and not taken: its value and error; ``None`` if there is none."""
    which, param = ("id = %s", put_uuid(event_id)) if event_id is not None else ("name = %s", name)
    row = fetch_one(
        f"UPDATE {EVENT} SET state = 'consumed', step = %s WHERE id = (SELECT id FROM {EVENT} WHERE workflow_id = %s "
        f"AND {which} AND state = 'sent' ORDER BY sequence LIMIT 1) RETURNING value, error",
        [number, put_uuid(workflow_id), param],
    )
    if row is None:
        return None
    return row[0], None if row[1] is None else Failure.load(row[1])


def take_by_function(workflow_id: UUID, number: int, function: str) -> tuple[str | None, Failure | None] | None:
    """``take`` for what a step waits for as its ``function`` column says it."""
    which, _, wanted = function.partition(":")
    by_id = which == "id"
    return take(workflow_id, number, None if by_id else wanted, UUID(wanted) if by_id else None)


def count_sent(workflow_id: UUID, name: str) -> int:
    """How many events of that name were sent to a workflow, taken or not."""
    row = fetch_one(
        f"SELECT count(*) FROM {EVENT} WHERE workflow_id = %s AND name = %s AND state IN ('sent', 'consumed')",
        [put_uuid(workflow_id), name],
    )
    return 0 if row is None else int(row[0])


def names_waited_for(workflow_id: UUID, limit: int = 20) -> list[str]:
    """The names of the events that a workflow waits for, in the order of its steps."""
    rows = fetch_all(
        f"SELECT function FROM {STEP} WHERE workflow_id = %s AND kind = 'event' AND state = 'waiting' "
        f"ORDER BY number LIMIT {int(limit)}",
        [put_uuid(workflow_id)],
    )
    prefix = function_of("", None)
    return list(dict.fromkeys(row[0].removeprefix(prefix) for row in rows if row[0].startswith(prefix)))


def queryset(workflow_id: UUID) -> QuerySet[Event]:
    """The events of a workflow, in the order in which they were made."""
    return Event.objects.using(alias()).filter(workflow_id=workflow_id).order_by("id")
