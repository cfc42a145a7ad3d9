"""Notes who did what to a workflow, when and why, in the log of Django's admin, and reads it again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import DatabaseError, IntegrityError, router, transaction

from ..core.excerpts import sanitize_text
from ..models import KeptNote, Workflow
from ..store import kept_notes
from ..store.database import alias, connection
from ..store.once import once

if TYPE_CHECKING:
    from django.contrib.admin.models import LogEntry
    from django.contrib.contenttypes.models import ContentTypeManager

T = TypeVar("T")

logger = logging.getLogger("django_workflows")

#: ``LogEntry``'s own flags, which can be imported only where the admin is installed.
ADDITION, CHANGE, DELETION = 1, 2, 3
#: So many of the latest notes are shown.
LIMIT = 50


@dataclass(frozen=True)
class Note:
    """What was done to workflows, given by id and words for each."""

    rows: Sequence[tuple[UUID, str]]
    message: str
    flag: int = CHANGE


def noted(user: Any, change: Callable[[], T], say: Callable[[T], Note | None]) -> T:
    """Make a change for ``user`` and keep a note of it: both, or neither; returns what ``change`` does.

    ``say`` tells what was done, ``None`` if nothing was. Nothing is kept where the admin is not installed, or where the
    user is none of the project's own. Where the log is in another database than the journal, the note is written after
    the change, and one that cannot be written is logged and not raised.
    """
    if not apps.is_installed("django.contrib.admin") or not isinstance(user, get_user_model()):
        return change()
    if _alias_of_log() != alias():
        return _noted_afterwards(user, change, say)

    def both() -> T:
        done = change()
        _keep(user, say(done))
        return done

    try:
        return once(both)
    except IntegrityError:
        if connection().in_atomic_block:
            raise
        # The row of the content type may have been made anew since it was remembered.
        _kinds().clear_cache()
        return once(both)


def _noted_afterwards(user: Any, change: Callable[[], T], say: Callable[[T], Note | None]) -> T:
    done = change()
    note = say(done)
    try:
        with transaction.atomic(using=_alias_of_log()):
            _keep(user, note)
    except DatabaseError:
        logger.exception("What %s did could not be noted: %s", user.pk, note)
    return done


def _keep(user: Any, note: Note | None) -> None:
    if note is None:
        return
    from django.contrib.admin.models import LogEntry

    kind = _kinds().get_for_model(Workflow)
    LogEntry.objects.bulk_create(
        LogEntry(
            user_id=user.pk,
            content_type=kind,
            object_id=str(workflow_id),
            object_repr=sanitize_text(words, 200),
            action_flag=note.flag,
            change_message=note.message,
        )
        for workflow_id, words in note.rows
    )


def _alias_of_log() -> str:
    from django.contrib.admin.models import LogEntry

    return str(router.db_for_write(LogEntry))


def _kinds() -> ContentTypeManager:
    from django.contrib.contenttypes.models import ContentType

    return ContentType.objects


def notes_of(workflow_id: UUID) -> list[LogEntry | KeptNote]:
    """What was done to a workflow by people, latest first. For the admin only: elsewhere there may be no log."""
    from django.contrib.admin.models import LogEntry

    kind = _kinds().get_for_model(Workflow)
    found = LogEntry.objects.filter(content_type=kind, object_id=str(workflow_id)).select_related("user")
    notes: list[LogEntry | KeptNote] = [*found.order_by("-action_time")[:LIMIT]]
    notes += kept_notes.latest(workflow_id, LIMIT)
    return sorted(notes, key=lambda note: note.action_time, reverse=True)[:LIMIT]


def keep_notes_of(sender: Any, instance: Any, **signal: Any) -> None:
    """Before a user is deleted, and by that their part of the admin's log: keep what they did to workflows.

    It rolls back with the deletion where both are in one database.
    """
    from django.contrib.admin.models import LogEntry

    entries = LogEntry.objects.filter(content_type=_kinds().get_for_model(Workflow), user_id=instance.pk)
    kept_notes.keep(filter(None, (_kept(entry, instance) for entry in entries.iterator())))


def _kept(entry: LogEntry, user: Any) -> KeptNote | None:
    try:
        workflow_id = UUID(entry.object_id)
    except (ValueError, TypeError):
        return None  # written by somebody else
    return KeptNote(
        workflow_id=workflow_id,
        action_time=entry.action_time,
        action_flag=entry.action_flag,
        object_repr=entry.object_repr,
        change_message=entry.get_change_message(),
        user_pk=str(user.pk)[:255],
        user=user.get_username()[:255],
    )
