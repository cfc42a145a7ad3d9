"""What is done by keyboard alone, and what is done without scripts: everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from django_workflows import Completed
from django_workflows.engine import observe
from django_workflows.models import Event, Step, Workflow
from django_workflows.store.database import now
from tests.admin.pages import LIST, page_of, url
from tests.app import callbacks
from tests.app import workflows as w
from tests.browser.looking import follow
from tests.engine.driver import finish, run

APPROVALS = "example_project.approvals.workflows.confirmation"


def tab_to(page: Page, label: str) -> None:
    """Press Tab until the control of that text has the focus, which must be visible."""
    told = "(e => (e.labels && e.labels.length ? e.labels[0] : e).textContent.trim() || e.value || '')"
    for _ in range(160):
        page.keyboard.press("Tab")
        words = page.evaluate(f"{told}(document.activeElement)").rstrip(":")
        if words == label:
            outline = "e => getComputedStyle(e).outlineStyle + getComputedStyle(e).boxShadow"
            assert page.locator(":focus").evaluate(outline) != "nonenone" or page.locator(":focus-visible").count()
            return
    raise AssertionError(f"{page.url}: no Tab leads to {label!r}")


def enter(page: Page) -> None:
    """Press Enter, and be on the page that it leads to."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


def state(page: Page) -> Any:
    return expect(page.locator(".dwf-standing .dwf-badge"))


def test_start_approve_restart_and_cancel_by_keyboard(visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto(LIST)
    tab_to(page, "Start a workflow")
    enter(page)
    tab_to(page, APPROVALS)
    enter(page)
    tab_to(page, "Prompt")
    page.keyboard.type("tea")
    tab_to(page, "Start")
    enter(page)
    expect(page.get_by_text("Started.").first).to_be_visible()
    workflow = Workflow.objects.get()

    run_to_the_event(workflow.id)
    page.reload()
    tab_to(page, "Send it…")
    enter(page)
    tab_to(page, "Approved")
    page.keyboard.press("Space")
    tab_to(page, "Choice")
    page.keyboard.type("1")
    enter(page)
    expect(page.get_by_text('Sent the event "approval".').first).to_be_visible()
    assert finish(workflow.id).type == "completed"

    page.reload()
    tab_to(page, "Restart…")
    enter(page)
    tab_to(page, "From")
    page.keyboard.press("ArrowDown")
    tab_to(page, "Restart")
    enter(page)
    expect(page.get_by_text("Restarted from step 0.").first).to_be_visible()

    run_to_the_event(workflow.id)
    page.reload()
    tab_to(page, "Cancel")
    enter(page)
    tab_to(page, "Reason")
    page.keyboard.type("enough of it")
    tab_to(page, "Cancel it")
    enter(page)
    state(page).to_have_text("canceled")
    expect(page.get_by_text("enough of it")).to_be_visible()


def run_to_the_event(workflow_id: Any) -> None:
    from tests.engine.driver import run_until

    waits = Step.objects.filter(workflow_id=workflow_id, kind="event", state="waiting")
    run_until(waits.exists, workflow_id)


def press(page: Page, button: str, confirm: str) -> None:
    """A button of a workflow's page, and the one below the form that it leads to."""
    follow(page.get_by_role("link", name=button, exact=True))
    page.get_by_label("Reason").fill("by hand")
    follow(page.get_by_role("button", name=confirm, exact=True))


def test_every_action_works_without_scripts(visit: Callable[..., Page]) -> None:
    page = visit(scripts=False)
    page.goto(url("start", w.asks_approval.name))
    page.get_by_label("Reason").fill("by hand")
    follow(page.get_by_role("button", name="Start"))
    workflow_id = Workflow.objects.get().id
    run()
    page.goto(page_of(workflow_id))
    press(page, "Cancel", "Cancel it")
    state(page).to_have_text("canceled")
    press(page, "Restart…", "Restart")
    expect(page.get_by_text("Restarted, with every step that it had.").first).to_be_visible()
    run()
    page.goto(page_of(workflow_id))
    follow(page.get_by_role("link", name="Send event…"))
    page.get_by_label("Error instead of a value").fill("nobody is here")
    follow(page.get_by_role("button", name="Send"))
    run()
    page.reload()
    state(page).to_have_text("failed")
    press(page, "Restart the failed steps only…", "Restart")
    expect(page.get_by_text("Restarted: what failed runs again.").first).to_be_visible()
    assert Step.objects.get(workflow_id=workflow_id).state == "waiting"
    assert Event.objects.filter(workflow_id=workflow_id, step__isnull=False).count() == 0
    run()
    page.reload()
    press(page, "Cancel", "Cancel it")
    press(page, "Clean up", "Delete")
    assert not Workflow.objects.exists()
    expect(page.get_by_text("Cleaned up.").first).to_be_visible()


def test_what_goes_wrong_is_mended_without_scripts(visit: Callable[..., Page]) -> None:
    page = visit(scripts=False)
    retried = w.call.start("action", "fail_until", {"name": "slow", "attempts": 2}, {"retry": True})
    run()
    Step.objects.filter(workflow=retried).update(due_at=now() + timedelta(hours=1))
    page.goto(page_of(retried))
    follow(page.get_by_role("button", name="Retry now").first)
    run()
    assert observe.status(retried) == Completed(2)

    callbacks.failing.append(True)
    told = w.sums.with_options(on_complete=callbacks.fails_when_told).start([1])
    finish(told)
    callbacks.failing.clear()
    page.goto(page_of(told))
    press(page, "Run on_complete again", "Run again")
    expect(page.get_by_text("on_complete ran again, and went well.").first).to_be_visible()


def test_many_are_chosen_searched_and_filtered_without_scripts(visit: Callable[..., Page]) -> None:
    page = visit(scripts=False)
    ids = [w.asks_approval.with_options(idempotency_key=f"order-{number}").start() for number in range(3)]
    run()
    page.goto(LIST)
    page.locator("#searchbar").fill("order-1")
    follow(page.get_by_role("button", name="Search"))
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.goto(LIST)
    follow(page.get_by_role("link", name="in progress (3)"))
    for box in page.locator("input.action-select").all()[:2]:
        box.check()
    page.locator('select[name="action"]').select_option(label="Cancel selected workflows…")
    follow(page.locator('button[name="index"]'))
    page.get_by_label("Reason").fill("all of them")
    follow(page.get_by_role("button", name="Cancel it (2)"))
    expect(page.get_by_text("Cancel: done for 2 workflows.")).to_be_visible()
    assert sorted(observe.status(each).type for each in ids) == ["canceled", "canceled", "in_progress"]


@pytest.mark.parametrize("scripts", [True, False])
def test_another_row_of_a_form_is_had_either_way(visit: Callable[..., Page], scripts: bool) -> None:
    page = visit(scripts=scripts)
    page.goto(url("start", w.sums.name))
    page.get_by_label("Numbers").fill("1\n2")
    follow(page.get_by_role("button", name="Start"))
    assert Workflow.objects.get().args.replace(" ", "") == '{"numbers":[1,2]}'
