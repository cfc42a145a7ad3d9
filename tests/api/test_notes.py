"""What is done over the API is noted where the admin notes what is done in it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError
from rest_framework.test import APIClient

from django_workflows.engine import audit
from django_workflows.engine.audit import notes_of
from django_workflows.engine.cancel import cancel
from django_workflows.models import Event, Workflow
from tests.api.conftest import Clients
from tests.api.test_workflows import ECHO, start, waiting_order
from tests.engine.driver import run
from tests.engine.dying import mortal


def test_each_change_is_noted_with_who_made_it(client: APIClient) -> None:
    workflow_id = waiting_order(client)
    address = f"/api/workflows/{workflow_id}/"
    paid = {"name": "api payment", "value": {"kind": "paid", "amount": 3}}
    assert client.post(f"{address}events/", paid, format="json").status_code == 202
    assert client.post(f"{address}cancel/", {"force": True}, format="json").status_code == 200
    assert client.post(f"{address}restart/", {"from_step": 0}, format="json").status_code == 202
    assert client.post(f"{address}cancel/").status_code == 200
    run()
    assert client.delete(address).status_code == 204
    notes = LogEntry.objects.order_by("id")
    assert [each.change_message for each in notes] == [
        "Started. (API)",
        'Sent the event "api payment". (API)',
        "Canceled without its clean-up. (API)",
        "Restarted from step 0. (API)",
        "Canceled. (API)",
        "Cleaned up. (API)",
    ]
    assert {(each.object_id, each.user.username) for each in notes} == {(workflow_id, "user-0")}
    assert notes_of(workflow_id)[0].action_flag == 3


def test_a_refused_change_and_a_repeated_start_are_not_noted(client: APIClient, client_of: Clients) -> None:
    found = start(client, ECHO, {"value": 1}, idempotency_key="k")
    start(client, ECHO, {"value": 1}, code=200, idempotency_key="k")
    assert client.delete(f"/api/workflows/{found['id']}/").status_code == 409
    reader = client_of("view_workflow")
    assert reader.post(f"/api/workflows/{found['id']}/cancel/").status_code == 403
    assert [each.change_message for each in LogEntry.objects.all()] == ["Started. (API)"]


def test_a_content_type_that_was_made_anew_is_found(client: APIClient) -> None:
    workflow_id = waiting_order(client)
    ContentType.objects.clear_cache()
    stale = ContentType(pk=10**6, app_label="django_workflows", model="workflow")
    ContentType.objects._add_to_cache(ContentType.objects.db, stale)
    try:
        assert client.post(f"/api/workflows/{workflow_id}/cancel/").status_code == 200
    finally:
        ContentType.objects.clear_cache()
    assert [note.change_message for note in notes_of(workflow_id)] == ["Canceled. (API)", "Started. (API)"]


@pytest.mark.parametrize("act", ["start", "cancel", "event", "delete"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_what_is_not_noted_is_not_done(client: APIClient, act: str, before: bool) -> None:
    """The process dies where the note is written: either both are there, or neither."""
    workflow_id = waiting_order(client)
    address = f"/api/workflows/{workflow_id}/"
    if act == "delete":
        client.post(f"{address}cancel/", {"force": True}, format="json")
    rows, notes = list(Workflow.objects.values()), LogEntry.objects.count()
    events = Event.objects.count()
    acts: dict[str, Callable[[], Any]] = {
        "start": lambda: start(client, ECHO, {"value": 1}),
        "cancel": lambda: client.post(f"{address}cancel/"),
        "event": lambda: client.post(f"{address}events/", {"name": "any", "value": 1}, format="json"),
        "delete": lambda: client.delete(address),
    }
    with mortal(when=lambda sql: "django_admin_log" in sql, before=before) as life:
        acts[act]()
    assert life.dead
    assert list(Workflow.objects.values()) == rows
    assert (LogEntry.objects.count(), Event.objects.count()) == (notes, events)


def test_a_log_in_another_database_undoes_nothing(
    client: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There the note is written after the change, and cannot take it back."""
    workflow_id = waiting_order(client)
    user = User.objects.get()

    def fail(*args: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(audit, "alias", lambda: "elsewhere")
    monkeypatch.setattr(audit, "_keep", fail)
    note = audit.Note([], "Canceled.")
    assert audit.noted(user, lambda: cancel(UUID(workflow_id)), lambda done: note) is None
    assert Workflow.objects.get(pk=workflow_id).state == "canceled"
    assert "could not be noted" in caplog.text
