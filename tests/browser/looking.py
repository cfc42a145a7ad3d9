"""What a page must be, whatever it shows."""

from io import BytesIO
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Locator, Page

#: Without fetching style sheets anew, for which axe would write inline styles, as the policy forbids.
OPTIONS = {"preload": False}


def follow(link: Locator) -> None:
    """Click what leads to another page, and be there: the document is whole, and what was sent has been done.

    A click alone comes back once the address is the new one; what is read of the page then may be of no page at all.
    """
    with link.page.expect_navigation():
        link.click()


def assert_well_behaved(page: Page) -> None:
    """Nothing was refused by the content security policy, and axe has nothing to say."""
    refused = page.evaluate("window.refused")
    assert refused == [], f"{page.url}: {refused}"
    found = Axe().run(page, options=OPTIONS).response["violations"]
    assert not found, f"{page.url}:\n" + "\n".join(map(told, found))


def told(violation: dict[str, Any]) -> str:
    first = violation["nodes"][:3]
    nodes = [f"    {node['html'][:200]}\n      {node.get('failureSummary', '')[:300]}" for node in first]
    return "\n".join([f"  {violation['id']} ({violation['impact']}): {violation['help']}", *nodes])


def assert_fits(page: Page) -> None:
    """Nothing of the page is wider than the window, so that nobody must scroll sideways to read it."""
    width, needed = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
    wide = "[...document.querySelectorAll('#content *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    culprits = page.evaluate(f"{wide}.slice(0, 5).map(e => e.outerHTML.slice(0, 120))") if needed > width else []
    assert needed <= width, f"{page.url}: {needed} > {width}: {culprits}"


def picture(page: Page, folder: Path | None, name: str, *, height: int | None = None) -> None:
    """A screenshot of the page, from its top."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size or {"width": 1200, "height": 900}
    whole = page.evaluate("document.getElementById('container').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(whole, height or 1500)})
    with Image.open(BytesIO(page.screenshot(animations="disabled"))) as shot:
        shot.convert("RGB").quantize(128).save(folder / f"{name}.png", optimize=True)
    page.set_viewport_size(size)
