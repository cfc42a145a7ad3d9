"""The tutorial's script that keeps a page up to date, in a browser: nobody reloads it."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.looking import assert_well_behaved, follow
from tests.engine.driver import run


def test_a_request_is_followed_from_the_question_to_the_text(visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto("/approvals/")
    page.get_by_label("A text about").fill("tea")
    follow(page.get_by_role("button", name="Ask"))
    page.evaluate("window.neverReloaded = true")
    approve = page.get_by_role("button", name="Approve")
    expect(approve).to_have_count(0)
    run()
    expect(approve).to_be_visible()
    assert page.evaluate("window.neverReloaded")
    page.get_by_role("radio").nth(1).check()
    chosen = page.locator("label", has=page.get_by_role("radio", checked=True)).inner_text().strip()
    follow(approve)
    run()
    expect(page.locator("p.text")).to_have_text(chosen)
    assert_well_behaved(page)
