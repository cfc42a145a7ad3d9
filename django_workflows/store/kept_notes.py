"""Notes of users who were deleted."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from ..models import KeptNote
from .database import alias

_ROWS = 500


def keep(notes: Iterable[KeptNote]) -> None:
    """Store notes, however many."""
    KeptNote.objects.using(alias()).bulk_create(notes, batch_size=_ROWS)


def latest(workflow_id: UUID, limit: int) -> list[KeptNote]:
    """The latest notes of a workflow, latest first."""
    rows = KeptNote.objects.using(alias()).filter(workflow_id=workflow_id)
    return list(rows.order_by("-action_time", "-id")[:limit])
