"""Every page in both themes: accessible, obedient to a strict policy, and whole on a phone and at 400 % zoom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from playwright.sync_api import Page

from django_workflows.engine.worker import Worker
from tests.admin.pages import LIST, page_of, url
from tests.browser.looking import assert_fits, assert_well_behaved, picture
from tests.browser.shop import Shop, fill

if TYPE_CHECKING:
    from pytest_django import Settings


def addresses(shop: Shop) -> dict[str, str]:
    return {
        "list": LIST,
        "workflow": page_of(shop.long),
        "waiting": page_of(shop.waiting),
        "children": page_of(shop.parent),
        "parked": page_of(shop.parked),
        "failed": page_of(shop.failed),
        "retried": page_of(shop.retried),
        "wide": page_of(shop.wide),
        "group": f"{page_of(shop.wide)}?group=0",
        "send-event": url("act", shop.waiting, "send-event"),
        "cancel": url("act", shop.waiting, "cancel"),
        "restart": url("act", shop.failed, "restart"),
        "choose": url("choose"),
        "start": url("start", "tests.app.workflows.typed"),
        "start-as-json": f"{url('start', 'tests.app.workflows.typed')}?json=1",
        "dashboard": url("dashboard"),
        "workers": "/admin/django_workflows/worker/",
        "pools": "/admin/django_workflows/pool/",
        "pool": "/admin/django_workflows/pool/tests.limited/change/",
    }


#: Of these there are pictures in the documentation.
PICTURED = {"list", "workflow", "waiting", "send-event", "start", "dashboard", "parked", "workers", "pools"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_obeys_the_policy(
    visit: Callable[..., Page], theme: str, pictures: Path | None
) -> None:
    shop = fill()
    Worker().beat()
    page = visit(theme=theme, width=1280)
    for name, address in addresses(shop).items():
        page.goto(address)
        assert_well_behaved(page)
        if name in PICTURED:
            picture(page, pictures, f"admin-{name}-{theme}")


@pytest.mark.parametrize("width", [320, 390])
def test_every_page_fits_a_phone_and_400_percent_zoom(visit: Callable[..., Page], width: int) -> None:
    """A window of 1280 at 400 % is 320 wide."""
    shop = fill()
    page = visit(width=width)
    for name, address in addresses(shop).items():
        page.goto(address)
        # Tables of Django's own lists scroll inside of themselves.
        assert_fits(page)
        assert page.locator("h1").first.is_visible(), name


def test_without_scripts_everything_is_there(visit: Callable[..., Page]) -> None:
    shop = fill()
    page = visit(scripts=False)
    page.goto(page_of(shop.waiting))
    assert page.locator(".dwf-live-control").is_hidden()
    page.get_by_role("link", name="Send it…").click()
    page.get_by_label("Approved").check()
    page.get_by_label("Choice").fill("1")
    page.get_by_role("button", name="Send").click()
    assert page.get_by_text('Sent the event "approval".').first.is_visible()
    page.goto(f"{page_of(shop.parent)}")
    page.get_by_role("link", name="Hide its steps").first.click()
    assert page.get_by_role("link", name="Show its steps").count() == 1


def test_everything_is_reached_by_keyboard(visit: Callable[..., Page]) -> None:
    shop = fill()
    page = visit()
    page.goto(page_of(shop.waiting))
    reached: list[str] = []
    for _ in range(150):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("(document.activeElement.textContent || '').trim()"))
    for label in ("Send event…", "Cancel", "Send it…", "Start another like this…", "SVG", "approval"):
        assert any(label in each for each in reached), label
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details.dwf-step").first.get_attribute("open") is not None


def test_who_may_only_look_sees_pages_that_are_as_good(visit: Callable[..., Page]) -> None:
    shop = fill()
    viewer = get_user_model().objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_workflow"))
    page = visit(user=viewer)
    for address in (LIST, page_of(shop.waiting), page_of(shop.failed), url("dashboard")):
        page.goto(address)
        assert_well_behaved(page)
        assert page.locator(".dwf-button, .addlink").count() == 0


def test_the_german_admin_is_as_good(visit: Callable[..., Page], settings: Settings) -> None:
    shop = fill()
    settings.LANGUAGE_CODE = "de"
    page = visit()
    page.goto(page_of(shop.long))
    assert_well_behaved(page)
    assert page.get_by_role("heading", name="Wartet auf").is_visible()
    assert page.locator(".dwf-seg-ran").first.bounding_box() is not None
