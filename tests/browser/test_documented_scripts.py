"""The scripts that the documentation shows for following a workflow, as they stand there, in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import Browser, Page

from tests.api.server import Server
from tests.app.workflows import approval, asks_approval, workflow
from tests.browser.conftest import PATIENCE
from tests.docs.blocks import ROOT, blocks_of
from tests.engine.driver import run
from tests.waiting import wait_for

POLL, LISTEN = (
    each.code for each in blocks_of(ROOT / "docs" / "how-to" / "follow.md") if each.language == "javascript"
)


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Server]:
    """An ASGI server, which can do both."""
    with django_db_blocker.unblock():
        started = Server(tmp_path_factory.mktemp("server") / "server.log")
    yield started
    started.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of the ASGI site, for a user who may look."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ada", password="x"))
    context = browser.new_context(base_url=server.url)
    context.set_default_timeout(PATIENCE * 1000)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": server.url}])
    page = context.new_page()
    page.goto("/api/health/")
    yield page
    context.close()


@pytest.fixture
def waiting() -> UUID:
    workflow_id = asks_approval.start()
    run()
    return workflow_id


def approve(workflow_id: UUID) -> None:
    workflow.send_event(workflow_id, approval, True)
    run()


def begin(page: Page, script: str, call: str) -> None:
    """Run the script, and ``call``, which is given ``show``; what it shows is in ``window.seen``."""
    page.evaluate(
        f"() => {{ {script}\nwindow.seen = [];\nconst show = (workflow) => window.seen.push(workflow.state);\n{call} }}"
    )
    wait_for(lambda: page.evaluate("window.seen.length || window.fellBack"))


def test_the_long_poll_follows_a_workflow_to_its_end(page: Page, waiting: UUID) -> None:
    begin(page, POLL, f"window.last = poll('/api/workflows/{waiting}/', show);")
    assert page.evaluate("window.seen") == ["in_progress"]
    approve(waiting)
    assert page.evaluate("async () => (await window.last).result") == "yes"
    assert page.evaluate("window.seen.at(-1)") == "completed"


def test_the_event_stream_does_too(page: Page, waiting: UUID) -> None:
    fall_back = "() => { window.fellBack = true; }"
    begin(page, LISTEN, f"listen('/api/workflows/{waiting}/stream/', show, {fall_back});")
    assert page.evaluate("window.seen") == ["in_progress"]
    approve(waiting)
    wait_for(lambda: page.evaluate("window.seen.at(-1) === 'completed'"))
    assert not page.evaluate("window.fellBack")


def test_where_there_are_no_streams_it_falls_back(visit: Callable[..., Page], waiting: UUID) -> None:
    """The live site is WSGI."""
    page = visit()
    page.goto("/api/health/")
    begin(page, LISTEN, f"listen('/api/workflows/{waiting}/stream/', show, () => {{ window.fellBack = true; }});")
    assert page.evaluate("window.fellBack")
