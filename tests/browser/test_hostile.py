"""What others wrote into arguments, names and events does nothing in a real browser."""

import json
from collections.abc import Callable
from urllib.parse import quote

from playwright.sync_api import Page, expect

from django_workflows import WorkflowContext
from django_workflows.engine.send_event import send_event
from django_workflows.models import Step, Workflow
from tests.admin.pages import LIST, page_of, url
from tests.app import steps
from tests.app import workflows as w
from tests.browser.looking import follow
from tests.engine.driver import run
from tests.engine.test_mismatches import deployed

HOSTILE = '</pre></textarea></title><script>window.owned=1</script>"><img src=x onerror="window.owned=1">\u202e'


async def fails_with_it(step: WorkflowContext, text: str) -> None:
    await step.with_options(name=HOSTILE_NAME).run_action(steps.decline, text)


HOSTILE_NAME = '<script>window.owned=1</script>"><img src=x onerror="window.owned=1">'


def assert_inert(page: Page) -> None:
    """What others wrote is text here: it made no element, and nothing of it ran."""
    expect(page.locator("img[src=x]"), page.url).to_have_count(0)
    assert page.evaluate("window.owned") is None, page.url


def test_hostile_errors_names_reasons_and_progress_are_inert(visit: Callable[..., Page]) -> None:
    page = visit()
    with deployed(fails_with_it, name=f"tests.{HOSTILE_NAME}"):
        failed = w.workflow.start(f"tests.{HOSTILE_NAME}", {"text": HOSTILE})
        run()
        blocked = w.asks_approval.start()
        run()
        Workflow.objects.filter(id=blocked).update(blocked_message=f"step 0: the journal recorded {HOSTILE}")
        cancel_page = url("act", blocked, "cancel")
        page.goto(cancel_page)
        page.get_by_label("Reason").fill(HOSTILE[:400])
        follow(page.get_by_role("button", name="Cancel it"))
        Workflow.objects.filter(id=blocked).update(state="in_progress", finished_at=None)
        Step.objects.filter(workflow=blocked).update(progress=json.dumps([1, 2, HOSTILE]), state="running")
        names = quote(f"tests.{HOSTILE_NAME}", safe="")
        places = [LIST, f"{LIST}?q={quote(HOSTILE_NAME)}", f"{LIST}?name={names}", url("dashboard"), url("choose")]
        places += [page_of(failed), page_of(blocked), url("timeline", failed), url("start", f"tests.{HOSTILE_NAME}")]
        places += [url("act", failed, name) for name in ("restart", "cleanup")]
        places += [f"{url('act', blocked, 'send-event')}?event={quote(HOSTILE_NAME)}", url("patches")]
        for address in places:
            page.goto(address)
            assert_inert(page)
        page.goto(LIST)
        page.get_by_label("Select all").check()
        page.locator('select[name="action"]').select_option(label="Restart selected workflows…")
        follow(page.locator('button[name="index"]'))
        assert_inert(page)


def test_hostile_payloads_are_inert(visit: Callable[..., Page]) -> None:
    keyed = w.echoes.with_options(idempotency_key='<b>"><img src=x onerror=window.owned=1>')
    finished = keyed.start({HOSTILE: HOSTILE})
    waiting = w.asks_approval.start()
    run()
    send_event(waiting, "note", HOSTILE)
    page = visit()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    pages = [LIST, page_of(finished), page_of(waiting), url("timeline", finished)]
    pages.append(f"{url('start', w.echoes.name)}?like={finished}")
    for address in pages:
        page.goto(address)
        assert_inert(page)
    assert dialogs == []
