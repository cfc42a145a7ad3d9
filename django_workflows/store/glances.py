"""What can be seen of workflows at a glance, to know whether to look at them more closely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from .database import fetch_all, fetch_one, put_uuid, read_uuid
from .rows import STEP, WORKFLOW

#: So many open steps of all the workflows together are looked at.
_STEPS = 2000


@dataclass(frozen=True, slots=True)
class Glance:
    """How a workflow stands. ``open_steps`` (number, state, attempt, progress) change without a new version."""

    version: int
    generation: int
    state: str
    open_steps: tuple[tuple[int, str, int, str], ...]

    @property
    def ended(self) -> bool:
        return self.state != "in_progress"

    @property
    def mark(self) -> tuple[int, int]:
        """Generation and version."""
        return self.generation, self.version


def glance(workflow_ids: Sequence[UUID]) -> dict[UUID, Glance]:
    """Those of the workflows that there are; two short queries, however many they are."""
    if not workflow_ids:
        return {}
    params = [put_uuid(workflow_id) for workflow_id in workflow_ids]
    marks = ", ".join("%s" for _ in params)
    # Before their steps, so that a change in between is seen as one the next time.
    rows = fetch_all(f"SELECT id, version, generation, state FROM {WORKFLOW} WHERE id IN ({marks})", params)
    steps: dict[UUID | None, list[tuple[int, str, int, str]]] = {}
    for owner, *step in fetch_all(
        f"SELECT workflow_id, number, state, attempt, progress FROM {STEP} WHERE workflow_id IN ({marks}) "
        f"AND state IN ('queued', 'running', 'waiting') ORDER BY workflow_id, number LIMIT {_STEPS}",
        params,
    ):
        steps.setdefault(read_uuid(owner), []).append(tuple(step))
    found = {}
    for row in rows:
        workflow_id = read_uuid(row[0])
        assert workflow_id is not None
        found[workflow_id] = Glance(row[1], row[2], row[3], tuple(steps.get(workflow_id, ())))
    return found


def lock_version(workflow_id: UUID) -> int | None:
    """The version of a workflow, running or not, that stays what it is until the end of the caller's transaction."""
    row = fetch_one(f"UPDATE {WORKFLOW} SET name = name WHERE id = %s RETURNING version", [put_uuid(workflow_id)])
    return None if row is None else int(row[0])
