"""A subclass of the admin with a ``get_queryset`` of its own: what that leaves out is on no page, picture or file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test import Client

from django_workflows import WorkflowContext, WorkflowManager
from django_workflows.admin.workflows import WorkflowAdmin
from django_workflows.models import Event, Worker, Workflow
from django_workflows.store.database import now
from tests.admin.pages import LIST, markup, page_of, text, url
from tests.app import api_workflows
from tests.app import workflows as w
from tests.engine.driver import finish, run

WORKERS = "/admin/django_workflows/worker/"
workflow = w.workflow
HIDDEN = api_workflows.quick.name


class Narrowed(WorkflowAdmin):
    left_out: tuple[str, ...] = (HIDDEN, w.asks_approval.name)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workflow]:
        return super().get_queryset(request).exclude(name__in=self.left_out)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Any:
    def begin(*left_out: str) -> None:
        monkeypatch.setattr(Narrowed, "left_out", left_out or Narrowed.left_out)
        monkeypatch.setattr(admin.site._registry[Workflow], "__class__", Narrowed)

    return begin


def test_nothing_is_shown_of_what_does_not_exist_for_somebody(chief: Client, narrow: Any) -> None:
    hidden = w.asks_approval.start()
    run()
    event = WorkflowManager().send_event(hidden, "other", "text")
    addresses = [
        page_of(hidden),
        url("live", hidden),
        url("timeline", hidden),
        url("download", hidden, "args"),
        url("download", hidden, "args") + "?step=0",
        url("download", hidden, "event") + f"?event={event}",
        url("act", hidden, "cancel"),
    ]
    assert Event.objects.filter(pk=event).exists()
    assert [chief.get(address).status_code for address in addresses] == [200] * len(addresses)
    narrow()
    assert [chief.get(address).status_code for address in addresses] == [404] * len(addresses)
    assert chief.post(url("act", hidden, "cancel"), {"confirmed": "1"}).status_code == 404
    assert WorkflowManager().status(hidden).type == "in_progress"


def test_children_and_parents_that_are_left_out_are_not_named(chief: Client, narrow: Any) -> None:
    parent = api_workflows.family.start([1])
    finish(parent)
    hidden, shown = Workflow.objects.get(name=HIDDEN), Workflow.objects.get(name=api_workflows.echo.name)
    before = markup(chief, page_of(parent))
    assert str(hidden.pk) in before
    assert str(shown.pk) in before
    assert "tests.app.steps.add" in markup(chief, url("timeline", parent))
    narrow()
    after = markup(chief, page_of(parent))
    assert str(hidden.pk) not in after
    assert str(shown.pk) in after
    assert "tests.app.steps.add" not in markup(chief, url("timeline", parent))


def test_a_parent_that_is_left_out_is_not_named(chief: Client, narrow: Any) -> None:
    parent = api_workflows.family.start([1])
    finish(parent)
    child = Workflow.objects.get(name=api_workflows.echo.name)
    assert str(parent) in markup(chief, page_of(child.pk))
    narrow(api_workflows.family.name)
    assert str(parent) not in markup(chief, page_of(child.pk))


def test_what_is_counted_is_what_exists(chief: Client, narrow: Any) -> None:
    for number in range(3):
        finish(api_workflows.quick.start(number))
    finish(api_workflows.echo.start("x"))
    assert "4 completed" in text(chief, LIST)
    narrow()
    for address in (LIST, url("dashboard")):
        said = markup(chief, address)
        assert HIDDEN not in said
        assert api_workflows.echo.name in said
    assert "1 completed" in text(chief, LIST)
    assert "Last 24 hours" not in text(chief, LIST)
    assert "1 completed" in text(chief, url("dashboard"))


def block(definition: Any, *args: Any) -> None:
    workflow_id = definition.start(*args)
    run()
    Workflow.objects.filter(pk=workflow_id).update(blocked_message="the code changed")


def test_what_is_wrong_with_what_is_left_out_is_not_told(
    chief: Client, narrow: Any, login: Callable[..., Client]
) -> None:
    for _ in range(10):
        w.fails.start()
    for _ in range(20):
        w.call.start("action", "decline", {"card": "x"}, {"retry": True})
    run()
    block(w.asks_approval)
    doing = f"{w.fails.name} {uuid4()} step 0 x"
    Worker.objects.create(id="1", host="h", pid=1, queue="", doing=doing, started_at=now(), seen_at=now())
    pages = (LIST, url("dashboard"), WORKERS)
    told = (w.fails.name, "decline", "1 workflow is blocked", "20 steps", "10 workflows failed")
    before = "".join(markup(chief, page) for page in pages)
    assert [each for each in told if each not in before and each != w.fails.name] == []
    assert w.fails.name in markup(chief, WORKERS)
    narrow(w.fails.name, w.call.name, w.asks_approval.name)
    for client, shown in ((chief, pages), (login("view_worker"), (WORKERS,))):
        for page in shown:
            said = markup(client, page)
            assert [each for each in told if each in said] == [], page
    block(w.sleeper, 60)
    assert "1 workflow is blocked" in text(chief, LIST)


def test_patches_are_told_of_what_exists(chief: Client, narrow: Any) -> None:
    @workflow.define(name="narrowed and patched")
    async def patched(step: WorkflowContext) -> None:
        step.patched("narrowed-patch")
        await step.await_event("go")

    patched.start()
    run()
    assert "narrowed-patch" in text(chief, url("patches"))
    narrow(patched.name)
    assert "narrowed-patch" not in text(chief, url("patches"))
    narrow(HIDDEN)
    assert "narrowed-patch" in text(chief, url("patches"))
    assert "not known" in text(chief, url("patches"))


#: What stands in an address that somebody wrote by hand.
ODD = [
    "%00",
    "-1",
    "9" * 30,
    "9" * 5000,
    "0001-01-01T00:00:00+23:59",
    "nan",
    "%ED%A0%80",
    "%F0%9F%98%80",
    "²",
    "%D9%A1",
    "'",
    ",",
]
PARAMETERS = ["state", "attention", "name", "started", "started_by", "q", "p", "o", "all", "e", "id__exact", "nothing"]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:30])
def test_no_address_of_the_admin_breaks(chief: Client, odd: str) -> None:
    found = w.asks_approval.start()
    run()
    for parameter in PARAMETERS:
        assert chief.get(f"{LIST}?{parameter}={odd}").status_code in (200, 302, 400), parameter
    for parameter in ("p", "group", "fold", "theme"):
        for address in (page_of(found), url("live", found), url("timeline", found)):
            assert chief.get(f"{address}?{parameter}={odd}").status_code == 200, parameter
    for what in ("args", "result", "event", "nothing"):
        assert chief.get(f"{url('download', found, what)}?step={odd}&event={odd}").status_code in (200, 404)
    for action in ("cancel", "restart", "send_event", "retry_now", "cleanup", "nothing"):
        address = url("act", found, action)
        assert chief.get(f"{address}?step={odd}&event={odd}").status_code in (200, 302, 404), action
        data = {"confirmed": "1", "from_step": odd, "event": odd, "because": odd}
        assert chief.post(f"{address}?event={odd}", data).status_code in (200, 302, 404), action
    for address in (f"{LIST}{odd}/change/", f"{LIST}start/{odd}/", f"{LIST}start/{w.sums.name}/?like={odd}"):
        assert chief.get(address).status_code in (200, 302, 404), address
    data = {"confirmed": "1", "idempotency_key": odd, "run_at_0": odd, "run_at_1": odd, "run_at": odd}
    assert chief.post(f"{LIST}start/{w.sums.name}/", data).status_code in (200, 302)
