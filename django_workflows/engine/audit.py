"""Notes who did what to a workflow, when and why, in the log of Django's admin, and reads it again."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import DatabaseError, router, transaction

from ..models import Workflow

if TYPE_CHECKING:
    from django.contrib.admin.models import LogEntry

logger = logging.getLogger("django_workflows")

#: ``LogEntry``'s own flags, which can be imported only where the admin is installed.
ADDITION, CHANGE, DELETION = 1, 2, 3
#: So many of the latest notes are shown.
LIMIT = 50


def note(user: Any, rows: Iterable[tuple[UUID, str]], message: str, flag: int = CHANGE) -> None:
    """Keep that ``user`` did this to these workflows, given by id and words for it.

    Nothing is kept where the admin is not installed, or where the user is none of the project's own. The change has
    been made by now, so a note that cannot be written, of a user who was just deleted say, is logged and not raised.
    """
    if not apps.is_installed("django.contrib.admin") or not isinstance(user, get_user_model()):
        return
    from django.contrib.admin.models import LogEntry
    from django.contrib.contenttypes.models import ContentType

    kind = ContentType.objects.get_for_model(Workflow)
    notes = [
        LogEntry(
            user_id=user.pk,
            content_type=kind,
            object_id=str(workflow_id),
            object_repr=words[:200],
            action_flag=flag,
            change_message=message,
        )
        for workflow_id, words in rows
    ]
    try:
        with transaction.atomic(using=router.db_for_write(LogEntry)):
            LogEntry.objects.bulk_create(notes)
    except DatabaseError:
        logger.exception("What %s did could not be noted: %s", user.pk, message)


def notes_of(workflow_id: UUID) -> list[LogEntry]:
    """What was done to a workflow by people, latest first. For the admin only: elsewhere there may be no log."""
    from django.contrib.admin.models import LogEntry
    from django.contrib.contenttypes.models import ContentType

    kind = ContentType.objects.get_for_model(Workflow)
    found = LogEntry.objects.filter(content_type=kind, object_id=str(workflow_id)).select_related("user")
    return list(found.order_by("-action_time")[:LIMIT])
