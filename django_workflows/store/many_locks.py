"""Locks several workflows at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from .database import is_postgresql, put_uuid, read_uuid
from .plain import not_waiting
from .prepared import run_all
from .rows import WORKFLOW


class Locked(NamedTuple):
    """What tells whether a workflow is still as it was read."""

    generation: int
    delivered: int
    version: int


def lock_many(ids: Sequence[UUID]) -> dict[UUID, Locked]:
    """Lock those of these workflows that are in progress until the end of the transaction; no change is counted.

    Those are left out that somebody else has locked, and those that a request to cancel waits for. If any is locked,
    the rest of the transaction fails rather than wait for somebody else's lock.
    """
    which, params = "= ANY (%s)", [list(ids)]
    if not is_postgresql():
        which, params = f"IN ({', '.join('%s' for _ in ids)})", [put_uuid(each) for each in ids]
    rows = run_all(
        f"SELECT id, generation, delivered, version{not_waiting()} FROM {WORKFLOW} WHERE id {which} "
        "AND state = 'in_progress' AND (cancel_requested_at IS NULL OR canceled_at_delivery IS NOT NULL) "
        # By id, which is by age: parents before their children, as everybody locks them.
        f"ORDER BY id{' FOR NO KEY UPDATE SKIP LOCKED' if is_postgresql() else ''}",
        params,
    )
    return {read_uuid(row[0]): Locked(*row[1:4]) for row in rows}  # type: ignore[misc]
