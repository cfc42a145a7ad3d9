"""The example's pages that follow a workflow through the REST API, in a browser: nobody reloads them."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from example_project.approvals.models import Request
from example_project.approvals.workflows import Rejected, approval, confirmation, workflow
from tests.browser.looking import assert_well_behaved
from tests.engine.driver import run


@pytest.mark.parametrize("by", ["poll", "stream"])
def test_a_page_follows_an_approval_to_its_end(visit: Callable[..., Page], by: str) -> None:
    """This site is WSGI, so the page that wants a stream is told to poll, and does."""
    workflow_id = confirmation.start("tea")
    Request.objects.create(workflow_id=workflow_id, prompt="tea")
    run()
    page = visit()
    page.goto(f"/follow/{workflow_id}/?by={by}")
    expect(page.locator('[data-show="waiting"]')).to_have_text("approval")
    expect(page.locator('[data-show="how"]')).to_have_text("by long poll")
    workflow.send_event(workflow_id, approval, Rejected(reason="coffee"))
    run()
    expect(page.locator('[data-show="state"]')).to_have_text("completed")
    expect(page.locator('[data-show="waiting"]')).to_have_text("nothing")
    assert_well_behaved(page)
