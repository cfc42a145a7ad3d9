"""Notes who did what to a workflow, when and why, in the admin's own log, and reads it again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest

from ..models import Workflow

__all__ = ["ADDITION", "CHANGE", "DELETION", "note", "notes_of"]

#: So many of the latest notes are shown.
LIMIT = 50


def note(request: HttpRequest, rows: Iterable[tuple[UUID, str]], message: str, flag: int = CHANGE) -> None:
    """Keep that the user did this to these workflows, given by id and words for it."""
    kind = ContentType.objects.get_for_model(Workflow)
    user_id: Any = request.user.pk
    LogEntry.objects.bulk_create(
        LogEntry(
            user_id=user_id,
            content_type=kind,
            object_id=str(workflow_id),
            object_repr=words[:200],
            action_flag=flag,
            change_message=message,
        )
        for workflow_id, words in rows
    )


def notes_of(workflow_id: UUID) -> list[LogEntry]:
    """What was done to a workflow here, latest first."""
    kind = ContentType.objects.get_for_model(Workflow)
    found = LogEntry.objects.filter(content_type=kind, object_id=str(workflow_id)).select_related("user")
    return list(found.order_by("-action_time")[:LIMIT])
