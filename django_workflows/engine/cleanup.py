"""Deletes what is finished: one workflow, or all that are old enough, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from uuid import UUID

from ..store import retention
from ..store.database import atomic, retrying

_BATCH = 100


def cleanup(workflow_id: UUID) -> bool:
    """Delete a finished workflow with its steps, events and children; False when unknown or still running."""
    return retrying(lambda: retention.delete_tree(workflow_id))


def cleanup_expired(limit: int = 1000) -> int:
    """Delete workflows whose retention is over, at most ``limit``; how many it was.

    Those that cannot be deleted yet, since a child that was given up still runs, are passed over.
    """
    deleted, last = 0, None
    while deleted < limit:
        count, last = retrying(partial(_one_batch, min(_BATCH, limit - deleted), last))
        deleted += count
        if last is None:
            break
    return deleted


def _one_batch(size: int, after: retention.Expired | None) -> tuple[int, retention.Expired | None]:
    """How many were deleted, and the last that was looked at; ``None`` if there are no more."""
    with atomic():
        found = retention.expired(size, after)
        return sum(retention.delete_tree(each.id) for each in found), found[-1] if found else None


def finished_before(age: timedelta) -> Iterator[UUID]:
    """Ids of the top-level workflows that ended longer ago than ``age``, oldest first."""
    last: UUID | None = None
    while batch := retention.finished_before(age, last, _BATCH):
        yield from batch
        last = batch[-1]
