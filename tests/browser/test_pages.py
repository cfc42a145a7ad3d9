"""Every page in both themes: accessible, obedient to a strict policy, and whole on a phone and at 400 % zoom."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from playwright.sync_api import Page, expect

from tests.admin.pages import LIST, page_of, url
from tests.browser.looking import assert_fits, assert_well_behaved, follow, picture
from tests.browser.shop import Shop, fill, only_the_examples, patched, standing_still

if TYPE_CHECKING:
    from pytest_django import Settings


ROOT = Path(__file__).parents[2]


def addresses(shop: Shop) -> dict[str, str]:
    return {
        "list": LIST,
        "workflow": page_of(shop.long),
        "waiting": page_of(shop.waiting),
        "children": page_of(shop.parent),
        "blocked": page_of(shop.blocked),
        "retrying": page_of(shop.retrying),
        "failed": page_of(shop.failed),
        "canceled": page_of(shop.canceled),
        "wide": page_of(shop.wide),
        "group": f"{page_of(shop.wide)}?group=0",
        "send-event": url("act", shop.waiting, "send-event"),
        "cancel": url("act", shop.waiting, "cancel"),
        "restart": url("act", shop.failed, "restart"),
        "clean-up": url("act", shop.failed, "cleanup"),
        "choose": url("choose"),
        "start": url("start", "example_project.series.workflows.mail_series"),
        "start-as-json": f"{url('start', 'example_project.countries.workflows.compare_countries')}?json=1",
        "dashboard": url("dashboard"),
        "workers": "/admin/django_workflows/worker/",
        "pools": "/admin/django_workflows/pool/",
        "pool": "/admin/django_workflows/pool/example_project.weather.workflows/change/",
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_and_obeys_the_policy(
    visit: Callable[..., Page], theme: str, pictures: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(theme=theme, width=1280)
    shop = fill()
    only_the_examples(monkeypatch)
    with standing_still() as again:
        for name, address in addresses(shop).items():
            again()
            page.goto(address)
            _look(page, name, theme, pictures)
        again()
        ask_for_many(page)
        _look(page, "many", theme, pictures)
        with patched():
            again()
            page.goto(url("patches"))
            _look(page, "patches", theme, pictures)


def _look(page: Page, name: str, theme: str, pictures: Path | None) -> None:
    assert_well_behaved(page)
    picture(page, pictures, f"admin-{name}-{theme}")


def ask_for_many(page: Page) -> None:
    """To the page that asks before many workflows are restarted."""
    page.goto(LIST)
    page.get_by_label("Select all").check()
    page.get_by_label("Action:").select_option(label="Restart selected workflows…")
    follow(page.locator('button[name="index"]'))
    expect(page).to_have_title(re.compile("Restart: "))


#: What is wider inside than it is, so that a part of it is out of view.
SCROLLING = """[...document.querySelectorAll("#content *")].filter(e => e.scrollWidth > e.clientWidth + 1
    && ["auto", "scroll"].includes(getComputedStyle(e).overflowX) && !e.closest("pre, svg"))
    .map(e => `${e.tagName}.${e.className} ${e.clientWidth} < ${e.scrollWidth}`)"""
#: Fields for texts that show a few letters at a time.
NARROW = """[...document.querySelectorAll("#content input, #content textarea")]
    .filter(e => !["hidden", "checkbox", "radio", "submit", "button", "number"].includes(e.type)
        && e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().width < Math.min(200, innerWidth - 150))
    .map(e => `${e.tagName} ${e.name} ${e.getBoundingClientRect().width}`)"""
#: Pages that are not reached by an address alone.
OTHERS = {"many", "patches"}


@pytest.mark.parametrize("text", ["README.md", "docs/reference/admin-pages.md"])
def test_every_page_has_its_pictures(text: str) -> None:
    anyone = Shop(*[UUID(int=0)] * len(fields(Shop)))
    names = {f"admin-{name}-{theme}.png" for name in {*addresses(anyone), *OTHERS} for theme in ("light", "dark")}
    assert set(re.findall(r"images/(admin-[a-z-]+\.png)", (ROOT / text).read_text())) == names
    assert {path.name for path in (ROOT / "docs" / "images").glob("admin-*.png")} == names


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_forms_of_every_type_are_accessible(visit: Callable[..., Page], theme: str) -> None:
    page = visit(theme=theme)
    for address in ("typed", "points", "sums", "echoes", "asks_approval"):
        page.goto(url("start", f"tests.app.workflows.{address}"))
        assert_well_behaved(page)
        follow(page.get_by_role("button", name="Start"))
        assert_well_behaved(page)


def test_the_list_shows_all_of_its_columns(visit: Callable[..., Page]) -> None:
    """In the window of a small laptop, with both side bars."""
    page = visit(width=1280)
    fill()
    page.goto(LIST)
    assert page.locator("#changelist-form .results").evaluate("e => e.scrollWidth <= e.clientWidth")
    right = "e => e.getBoundingClientRect().right"
    assert page.locator("#changelist-filter").evaluate(right) <= page.locator(".dwf-overview").evaluate(right) + 1


@pytest.mark.parametrize("width", [320, 375])
def test_every_page_fits_a_phone_and_400_percent_zoom(
    visit: Callable[..., Page], width: int, pictures: Path | None
) -> None:
    """A window of 1280 at 400 % is 320 wide."""
    page = visit(width=width)
    shop = fill()
    for name, address in addresses(shop).items():
        page.goto(address)
        assert_fits(page)
        expect(page.locator("h1").first, name).to_be_visible()
        hidden = page.evaluate(SCROLLING)
        assert not hidden, f"{name} is read by scrolling sideways: {hidden}"
        narrow = page.evaluate(NARROW)
        assert not narrow, f"{name} has fields that nobody can type into: {narrow}"
        picture(page, pictures and pictures / "phone", f"{name}-{width}", height=3000)


def test_on_a_phone_the_list_says_why_and_can_be_searched(visit: Callable[..., Page]) -> None:
    page, shop = visit(width=375), fill()
    page.goto(LIST)
    box = page.locator("#searchbar").bounding_box()
    assert box is not None
    assert box["width"] >= 200
    for workflow_id in (shop.failed, shop.blocked, shop.waiting):
        reason = page.locator("#result_list tr", has_text=str(workflow_id)[-12:]).locator(".field-waiting_for")
        if not reason.count():  # its key stands there in place of its id
            reason = page.locator("#result_list tr", has=page.locator(f'[title="{workflow_id}"]')).locator(
                ".field-waiting_for"
            )
        found = reason.bounding_box()
        assert found is not None
        assert found["x"] >= 0
        assert found["x"] + found["width"] <= 375
        assert reason.inner_text().strip()
    page.locator("#searchbar").fill("no such workflow")
    follow(page.get_by_role("button", name="Search"))
    expect(page.locator("#result_list tbody tr")).to_have_count(0)


def test_without_scripts_everything_is_there(visit: Callable[..., Page]) -> None:
    page = visit(scripts=False)
    shop = fill()
    page.goto(page_of(shop.waiting))
    expect(page.locator(".dwf-live-control")).to_be_hidden()
    follow(page.get_by_role("link", name="Send it…"))
    page.get_by_label("Approved").check()
    page.get_by_label("Choice").fill("1")
    follow(page.get_by_role("button", name="Send"))
    expect(page.get_by_text('Sent the event "approval".').first).to_be_visible()
    page.goto(f"{page_of(shop.parent)}")
    follow(page.get_by_role("link", name="Hide its steps").first)
    expect(page.get_by_role("link", name="Show its steps")).to_have_count(1)


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
    expect(page.locator("details.dwf-step").first).to_have_attribute("open", "")


def test_who_may_only_look_sees_pages_that_are_as_good(visit: Callable[..., Page]) -> None:
    shop = fill()
    viewer = get_user_model().objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_workflow"))
    page = visit(user=viewer)
    for address in (LIST, page_of(shop.waiting), page_of(shop.failed), url("dashboard")):
        page.goto(address)
        assert_well_behaved(page)
        expect(page.locator(".dwf-button, .addlink")).to_have_count(0)


def test_the_german_admin_is_as_good(visit: Callable[..., Page], settings: Settings) -> None:
    shop = fill()
    settings.LANGUAGE_CODE = "de"
    page = visit()
    page.goto(page_of(shop.long))
    assert_well_behaved(page)
    expect(page.get_by_role("heading", name="Wartet auf")).to_be_visible()
    expect(page.locator(".dwf-seg-ran").first).to_be_visible()
