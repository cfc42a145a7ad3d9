"""One person's way through the admin, with a real cluster at work behind it."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.admin.pages import LIST, page_of, url
from tests.app import workflows as w
from tests.app.models import Effect
from tests.browser.looking import assert_well_behaved, follow
from tests.cluster import Cluster


def test_start_watch_approve_cancel_and_restart(visit: Callable[..., Page], cluster: Callable[..., Cluster]) -> None:
    cluster(q={"workers": 1})
    page = visit()

    # Start from the form.
    page.goto(LIST)
    follow(page.get_by_role("link", name="Start a workflow"))
    follow(page.get_by_role("link", name="example_project.approvals.workflows.confirmation"))
    follow(page.get_by_role("button", name="Start"))
    expect(page.get_by_text("This field is required.")).to_be_visible()
    page.get_by_label("Prompt").fill("tea")
    follow(page.get_by_role("button", name="Start"))
    expect(page.get_by_text("Started.").first).to_be_visible()

    # Watch it go live: nobody reloads the page.
    page.get_by_label("Live refresh").select_option("2")
    expect(page.get_by_text("event approval (step 2)")).to_be_visible()
    page.locator("details.dwf-step").first.locator("summary").click()
    started = page.url

    # Send the approval, and see it complete.
    follow(page.get_by_role("link", name="Send it…"))
    page.get_by_label("Approved").check()
    page.get_by_label("Choice").fill("7")
    follow(page.get_by_role("button", name="Send"))
    expect(page.get_by_text("Input should be less than 3")).to_be_visible()
    page.get_by_label("Choice").fill("1")
    follow(page.get_by_role("button", name="Send"))
    expect(page.locator(".dwf-standing .dwf-badge")).to_have_text("completed")
    expect(page).to_have_url(started)
    expect(page.locator(".dwf-live-control")).to_be_hidden()
    assert_well_behaved(page)

    # Cancel another, and see its clean-up.
    cleaning = w.cleans_up.start("tour")
    page.goto(page_of(cleaning))
    expect(page.get_by_text("timer long wait")).to_be_visible()
    follow(page.get_by_role("link", name="Cancel", exact=True))
    page.get_by_label("Reason").fill("no longer wanted")
    follow(page.get_by_role("button", name="Cancel it"))
    expect(page.locator(".dwf-standing .dwf-badge")).to_have_text("canceled")
    expect(page.get_by_text("no longer wanted")).to_be_visible()
    expect(page.locator(".dwf-timeline").get_by_text("insert_effect")).to_be_visible()
    assert Effect.objects.filter(key="tour cleaned up").count() == 1

    # Restart one from a step.
    again = w.sums.start([1, 2, 3])
    page.goto(page_of(again))
    expect(page.locator(".dwf-standing .dwf-badge")).to_have_text("completed")
    page.locator("#step-2 summary").click()
    follow(page.locator("#step-2").get_by_role("link", name="Restart from here…"))
    follow(page.get_by_role("button", name="Restart"))
    expect(page.get_by_text("Restarted from step 2.").first).to_be_visible()
    expect(page.locator(".dwf-standing .dwf-badge")).to_have_text("completed")
    expect(page.locator(".dwf-facts")).to_contain_text("Restarted")

    page.goto(url("dashboard"))
    assert_well_behaved(page)


def test_the_page_keeps_what_its_reader_opened_and_rests_when_nothing_changes(visit: Callable[..., Page]) -> None:
    from django_workflows.engine.send_event import send_event
    from tests.engine.driver import run

    workflow_id = w.asks_approval.start()
    run()
    page = visit()
    page.goto(page_of(workflow_id))
    page.get_by_label("Live refresh").select_option("2")
    page.locator("#step-0 summary").click()
    for _ in range(2):
        with page.expect_response(re.compile("/live/")) as looked:
            pass
        assert looked.value.status == 304
    send_event(workflow_id, "reminder", "please")
    expect(page.get_by_text("reminder")).to_be_visible()
    expect(page.locator("#step-0")).to_have_attribute("open", "")
    page.get_by_label("Live refresh").select_option("0")
    page.reload()
    expect(page.get_by_label("Live refresh")).to_have_value("0")
