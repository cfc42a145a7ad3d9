"""The browsable API: people can look, start, cancel and send events in a browser."""

import re
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from tests.api.conftest import ALL, make_user
from tests.app.workflows import asks_approval, sums
from tests.engine.driver import finish, run

HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def browser() -> APIClient:
    client = APIClient()
    client.force_login(make_user(*ALL))
    return client


@pytest.fixture
def asking() -> UUID:
    found = asks_approval.start()
    run()
    return found


def form_of(page: str) -> str:
    """What is filled in to be sent as JSON."""
    found = re.search(r'<textarea name="_content"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    assert found, page[-3000:]
    return found[1].replace("&quot;", '"')


@pytest.mark.parametrize("path", ["", "definitions/", "workflows/", "workflows/counts/", "health/"])
def test_pages_without_a_workflow(browser: APIClient, path: str) -> None:
    answer = browser.get(f"/api/{path}", headers=HTML)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_workflow_is_started(browser: APIClient) -> None:
    page = browser.get("/api/workflows/", headers=HTML).content.decode()
    for field in ("name", "args", "idempotency_key", "run_at"):
        assert f'"{field}"' in form_of(page)
    assert "multipart/form-data" not in page


@pytest.mark.parametrize("path", ["cancel/", "restart/", "events/"])
def test_pages_of_actions_have_a_form(browser: APIClient, asking: UUID, path: str) -> None:
    answer = browser.get(f"/api/workflows/{asking}/{path}", headers=HTML)
    assert answer.status_code == (200 if path == "events/" else 405)
    form = form_of(answer.content.decode())
    assert {"cancel/": '"force"', "restart/": '"from_step"', "events/": '"event_id"'}[path] in form


@pytest.mark.parametrize("path", ["", "steps/", "events/"])
def test_pages_of_a_workflow(browser: APIClient, asking: UUID, path: str) -> None:
    page = browser.get(f"/api/workflows/{asking}/{path}", headers=HTML)
    assert page.status_code == 200
    assert str(asking) in page.content.decode()


def test_other_media_types_of_a_browser(browser: APIClient) -> None:
    found = sums.start([1])
    finish(found)
    image = browser.get(f"/api/workflows/{found}/timeline.svg", headers={"Accept": "image/avif,image/webp,*/*;q=0.8"})
    assert image.headers["Content-Type"].startswith("image/svg+xml")
    opened = browser.get(f"/api/workflows/{found}/timeline.svg", headers=HTML)
    assert opened.headers["Content-Type"].startswith("image/svg+xml")


def test_an_error_is_a_page(browser: APIClient, asking: UUID) -> None:
    answer = browser.post(f"/api/workflows/{asking}/cancel/", {"forse": 1}, format="json", headers=HTML)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "#/forse" in answer.content.decode()


def test_a_project_without_the_browsable_api(browser: APIClient, settings: Any) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}
    answer = browser.get("/api/workflows/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.headers["Content-Type"] == "application/json"
