"""Tasks are seen where workflows are, under their own names: admin, REST API, command line, doctor, metrics."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from django_workflows.core.registry import registry
from tests.app import tasks
from tests.app.lonely import lonely
from tests.engine.conftest import engine  # noqa: F401 - used by each test
from tests.engine.driver import finish, run


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="secret"))
    return client


def said(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out, no_color=True)
    return out.getvalue()


def test_the_admin_has_a_page_for_each_task(admin: Client) -> None:
    result = tasks.refuse.enqueue("no money")
    finish(UUID(result.id))
    listed = admin.get(reverse("admin:django_workflows_workflow_changelist")).content.decode()
    assert "tests.app.tasks.refuse" in listed
    page = admin.get(reverse("admin:django_workflows_workflow_change", args=[result.id])).content.decode()
    assert "no money" in page
    assert "ValueError" in page


def test_a_task_is_enqueued_by_the_admins_start_form(admin: Client) -> None:
    url = reverse("admin:django_workflows_workflow_start", args=["tests.app.tasks.add"])
    page = admin.get(url)
    assert page.status_code == 200
    assert "Add two numbers." in page.content.decode()


def test_the_command_line_shows_lists_and_starts_tasks() -> None:
    result = tasks.refuse_twice.enqueue("x")
    run()
    assert "tests.app.tasks.refuse_twice" in said("workflows", "list")
    shown = said("workflows", "show", result.id)
    assert "ConnectionError: x: attempt 1" in shown
    assert "tests.app.tasks.add" in said("workflows", "definitions")
    started = said("workflows", "start", "tests.app.tasks.add", '--args={"args": [1], "kwargs": {"other": 4}}')
    (workflow_id,) = [word for word in started.split() if word.count("-") == 4]
    finish(UUID(workflow_id))
    found = tasks.add.get_result(workflow_id)
    assert (found.return_value, found.args, found.kwargs, found.backend) == (5, [1], {"other": 4}, "default")


def test_the_doctor_knows_tasks_that_were_not_imported_yet(monkeypatch: Any) -> None:
    from django_workflows.checks.live.code import check_definitions

    lonely.enqueue()
    monkeypatch.delitem(registry._definitions, "tests.app.lonely.lonely")
    assert list(check_definitions()) == []


def test_metrics_count_tasks_by_their_names(client: Client) -> None:
    finish(UUID(tasks.add.enqueue(1).id))
    prometheus = pytest.importorskip("prometheus_client")
    from django_workflows.metrics.collector import WorkflowCollector

    collected = prometheus.CollectorRegistry()
    collected.register(WorkflowCollector())
    assert "tests.app.tasks.add" in prometheus.generate_latest(collected).decode()
