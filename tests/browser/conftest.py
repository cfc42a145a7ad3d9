"""A real browser on a live site. Without chromium these tests are skipped, loudly; in CI they fail then."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from django_workflows.engine.live import live_handlers
from example_project.weather import outages, service

if TYPE_CHECKING:
    from pytest_django import Settings

#: Seconds until a page that does not do what is expected has failed: what a busy machine needs is not what this tests.
PATIENCE = 60
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
#: Collects what the page was not allowed to do.
WATCH_POLICY = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
    window.refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@pytest.fixture(scope="module")
def _async_is_allowed() -> Iterator[None]:
    """Playwright's own event loop runs in this thread, which Django would take for asynchronous code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture(scope="module")
def browser(_async_is_allowed: None) -> Iterator[Browser]:
    """One for each module, so that no test of another folder finds its event loop running."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        missing = f"no browser: install one of {', '.join(NAMES)}"
        if os.environ.get("CI"):
            pytest.fail(f"Browser tests cannot be skipped in CI: {missing}")
        pytest.skip(f"BROWSER TESTS WERE SKIPPED: {missing}")
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS, timeout=PATIENCE * 1000)
        yield started
        started.close()


@pytest.fixture(autouse=True)
def site(transactional_db: None, live_server: LiveServer, settings: Settings, monkeypatch: Any) -> Iterator[str]:
    """The address of the example project's site, whose weather service answers there too, and never fails."""
    settings.ROOT_URLCONF = "example_project.urls"
    settings.WEATHER_SERVICE_URL = f"{live_server.url}/service/"
    settings.WEATHER_SERVICE_FAIL_EVERY = 0
    settings.SITE_URL = live_server.url
    settings.JOBS_PAUSE = 0
    monkeypatch.setattr(service, "outages", outages.Outages())
    live_handlers.clear()
    yield live_server.url
    live_handlers.clear()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """``visit(theme="dark", width=375, scripts=False)``: a page of a user who may do everything, logged in."""
    contexts: list[BrowserContext] = []
    user = get_user_model().objects.create_superuser("maria", password="x")

    def make(*, theme: str = "light", width: int = 1200, scripts: bool = True, user: Any = user) -> Page:
        context = browser.new_context(
            base_url=site,
            color_scheme=theme,
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
            reduced_motion="reduce",
            timezone_id="UTC",
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE * 1000)
        client = Client()
        client.force_login(user)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}])
        if scripts:
            context.add_init_script(WATCH_POLICY)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where screenshots go; ``None`` if nobody asked for them (``make screenshots`` does)."""
    wanted = os.environ.get("DJANGO_WORKFLOWS_SCREENSHOTS")
    if not wanted:
        return None
    folder = Path(wanted)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
