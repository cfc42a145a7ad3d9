"""The page of a workflow that was imported from a history."""

from django.test import Client

from django_workflows.engine.histories import read_history
from django_workflows.engine.imports import import_history
from django_workflows.models import Workflow
from tests.admin.pages import LIST, page_of, text, url
from tests.app.workflows import asks_approval
from tests.engine.driver import run


def test_it_is_shown_and_not_restarted(chief: Client) -> None:
    workflow_id = asks_approval.start()
    run()
    imported = import_history(read_history(workflow_id), new_id=True)
    page = text(chief, page_of(imported))
    assert "Imported from a history; it is not run" in page
    assert "approval" in page
    chief.post(url("act", imported, "restart"), {"confirmed": "1"}, follow=True)
    assert Workflow.objects.get(pk=imported).state == "canceled"
    assert "asks_approval" in text(chief, LIST)
