"""What somebody did stays known when their account is deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client

from django_workflows import WorkflowManager
from django_workflows.engine.audit import notes_of
from django_workflows.models import KeptNote
from tests.admin.pages import confirm, page_of, text
from tests.app import workflows as w
from tests.engine.driver import run

PERMISSIONS = ("view_workflow", "cancel_workflow", "cleanup_workflow")


def test_what_was_done_outlives_whoever_did_it(login: Callable[..., Client], chief: Client) -> None:
    first, other = w.asks_approval.start(), w.asks_approval.start()
    run()
    user = get_user_model().objects.get(pk=login_of(operator := login(*PERMISSIONS)))
    confirm(operator, first, "cancel", because="asked by the customer")
    confirm(chief, other, "cancel", because="mine")
    before = text(chief, page_of(first))
    assert f"{user.username} Canceled. asked by the customer" in before
    name = user.username
    user.delete()
    assert LogEntry.objects.filter(object_id=str(first)).count() == 0
    assert f"{name} Canceled. asked by the customer" in text(chief, page_of(first))
    assert [(str(note.user), note.get_change_message()) for note in notes_of(first)] == [
        (name, "Canceled. asked by the customer")
    ]
    assert len(notes_of(other)) == 1
    assert KeptNote.objects.count() == 1


def test_many_users_at_once_and_notes_of_both_kinds_in_order(login: Callable[..., Client], chief: Client) -> None:
    found = w.asks_approval.start()
    run()
    confirm(login(*PERMISSIONS), found, "cancel")
    names = set(get_user_model().objects.filter(username__startswith="user ").values_list("username", flat=True))
    WorkflowManager().restart(found)
    run()
    confirm(chief, found, "cancel", because="again")
    get_user_model().objects.filter(username__in=names).exclude(pk=login_of(chief)).delete()
    messages = [note.get_change_message() for note in notes_of(found)]
    assert messages == ["Canceled. again", "Canceled."]


def test_a_deletion_that_is_rolled_back_keeps_nothing(login: Callable[..., Client]) -> None:
    found = w.asks_approval.start()
    run()
    operator = login(*PERMISSIONS)
    confirm(operator, found, "cancel")
    user = get_user_model().objects.get(pk=login_of(operator))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        user.delete()
        raise ZeroDivisionError
    assert KeptNote.objects.count() == 0
    assert len(notes_of(found)) == 1


def login_of(client: Client) -> int:
    return int(client.session["_auth_user_id"])
