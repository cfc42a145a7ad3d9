"""Deletes what is finished: one workflow, or all that are old enough, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from ..store import retention
from ..store.database import atomic, retrying

_BATCH = 100


def cleanup(workflow_id: UUID) -> bool:
    """Delete a finished workflow with its steps, events and children; False when unknown or still running."""
    return retrying(lambda: retention.delete_tree(workflow_id))


def cleanup_expired(limit: int = 1000) -> int:
    """Delete workflows whose retention is over, at most ``limit``; how many it was."""
    deleted = 0
    while deleted < limit:
        count = retrying(_one_batch)
        if not count:
            break
        deleted += count
    return deleted


def _one_batch() -> int:
    with atomic():
        return sum(retention.delete_tree(found) for found in retention.expired(_BATCH))


def finished_before(age: timedelta) -> Iterator[UUID]:
    """Ids of the top-level workflows that ended longer ago than ``age``, oldest first."""
    last: UUID | None = None
    while batch := retention.finished_before(age, last, _BATCH):
        yield from batch
        last = batch[-1]
