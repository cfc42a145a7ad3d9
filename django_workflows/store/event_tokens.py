"""Hashes of tokens for events, on the rows of the events."""

from __future__ import annotations

from uuid import UUID

from .database import execute, fetch_one, is_postgresql, now_sql, put_uuid
from .rows import EVENT, WORKFLOW


def put(event_id: UUID, token_hash: str, seconds: float) -> bool:
    """Let an event that was not sent yet have this token for ``seconds``; False if no running workflow has one."""
    return (
        execute(
            f"UPDATE {EVENT} SET token_hash = %s, token_expires_at = {now_sql(seconds)} "
            f"WHERE id = %s AND state = 'created' AND EXISTS "
            f"(SELECT 1 FROM {WORKFLOW} AS owner WHERE owner.id = workflow_id AND owner.state = 'in_progress')",
            [token_hash, put_uuid(event_id)],
        )
        == 1
    )


def valid_hash(event_id: UUID, *, locked: bool = False) -> str | None:
    """The hash of the token with which this event can be sent now; ``locked``: until the end of the transaction.

    A transaction that changes something on SQLite holds its only lock from the beginning.
    """
    row = fetch_one(
        f"SELECT token_hash FROM {EVENT} WHERE id = %s AND state = 'created' AND token_hash <> '' "
        f"AND token_expires_at > {now_sql()}{' FOR UPDATE' if locked and is_postgresql() else ''}",
        [put_uuid(event_id)],
    )
    return None if row is None else str(row[0])


def state_of(event_id: UUID) -> tuple[str, str] | None:
    """How the event stands, and its workflow."""
    row = fetch_one(
        f"SELECT event.state, owner.state FROM {EVENT} AS event JOIN {WORKFLOW} AS owner "
        "ON owner.id = event.workflow_id WHERE event.id = %s",
        [put_uuid(event_id)],
    )
    return None if row is None else (str(row[0]), str(row[1]))
