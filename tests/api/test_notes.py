"""What is done over the API is noted where the admin notes what is done in it."""

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from rest_framework.test import APIClient

from django_workflows.engine.audit import notes_of
from tests.api.conftest import Clients
from tests.api.test_workflows import ECHO, start, waiting_order
from tests.engine.driver import run


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


def test_a_note_that_cannot_be_written_does_not_undo_the_answer(client: APIClient) -> None:
    workflow_id = waiting_order(client)
    LogEntry.objects.all().delete()
    ContentType.objects.clear_cache()
    stale = ContentType(pk=10**6, app_label="django_workflows", model="workflow")
    ContentType.objects._add_to_cache(ContentType.objects.db, stale)
    try:
        assert client.post(f"/api/workflows/{workflow_id}/cancel/").status_code == 200
    finally:
        ContentType.objects.clear_cache()
    assert not LogEntry.objects.exists()
