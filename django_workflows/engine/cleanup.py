"""Deletes what is finished: one workflow, or all that are old enough, in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from uuid import UUID

from ..exceptions import WorkflowStillRunning
from ..store import retention, workflows
from ..store.database import atomic, retrying
from ..store.once import once
from .inside import is_inside, writes

_BATCH = 100
#: How long a sweep may delete at a time: a worker that deletes does nothing else.
SWEEP_SECONDS = 2.0


@writes
def cleanup(workflow_id: UUID) -> bool:
    """Delete a finished workflow with its steps, events and children; False when unknown or still running.

    ``WorkflowStillRunning`` where a step asks for that of its own workflow, which is running as long as it does.
    """
    if is_inside(workflow_id) and workflows.version(workflow_id) is not None:
        raise WorkflowStillRunning(
            f"cleanup({workflow_id}) was called in a step of this workflow, which is still running. Start the workflow "
            "with retain_for=0, and it is deleted after its end."
        )
    return once(lambda: retention.delete_tree(workflow_id), lambda: workflows.version(workflow_id) is None or None)


def sweep(stop: Callable[[], bool] = lambda: False) -> bool:
    """Delete workflows whose retention is over, for a moment or until ``stop()``; whether some may be left."""
    until, cut = time.monotonic() + SWEEP_SECONDS, False

    def over() -> bool:
        nonlocal cut
        cut = stop() or time.monotonic() >= until
        return cut

    cleanup_expired(over=over)
    return cut


def cleanup_expired(limit: int | None = None, over: Callable[[], bool] = lambda: False) -> int:
    """Delete workflows whose retention is over, at most ``limit``, one batch at least; how many it was.

    Those that cannot be deleted yet, since a child that was given up still runs, are passed over. After each batch
    ``over()`` is asked whether that is enough.
    """
    deleted, last = 0, None
    while limit is None or deleted < limit:
        size = _BATCH if limit is None else min(_BATCH, limit - deleted)
        count, last = retrying(partial(_one_batch, size, last))
        deleted += count
        if last is None or over():
            break
    return deleted


def _one_batch(size: int, after: retention.Expired | None) -> tuple[int, retention.Expired | None]:
    """How many were deleted, and the last that was looked at; ``None`` if there are no more."""
    with atomic():
        found = retention.expired(size, after)
        return retention.delete_trees([each.id for each in found]), found[-1] if found else None


def finished_before(age: timedelta) -> Iterator[UUID]:
    """Ids of the top-level workflows that ended longer ago than ``age``, oldest first."""
    last: UUID | None = None
    while batch := retention.finished_before(age, last, _BATCH):
        yield from batch
        last = batch[-1]
