"""What others wrote into arguments, names and events does nothing in a real browser."""

from collections.abc import Callable

from playwright.sync_api import Page

from django_workflows.engine.send_event import send_event
from tests.admin.pages import LIST, page_of, url
from tests.app import workflows as w
from tests.engine.driver import run

HOSTILE = '</pre></textarea></title><script>window.owned=1</script>"><img src=x onerror="window.owned=1">\u202e'


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
        assert page.evaluate("window.owned") is None, address
        assert page.locator("img[src=x]").count() == 0, address
    assert dialogs == []
