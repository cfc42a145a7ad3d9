"""No code block escapes: the parser that Sphinx uses finds the same ones, and a test takes each of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin

from tests.docs.blocks import PAGES, PROSE, ROOT, Block, blocks_of, commands
from tests.docs.test_pages import OWN_TESTS
from tests.example import chapters
from tests.testing.test_documentation import files as files_of_testing

PARSER = MarkdownIt("commonmark").enable("table").use(colon_fence_plugin)
#: What a block of reStructuredText must not have: code that is seen by no one.
HIDING = ("code-block::", "code::", "literalinclude::", "::\n\n", ">>> ")


def found_by_sphinx(text: str, offset: int = 0) -> dict[int, str]:
    """Line and kind of all that is shown as code, also inside of notes and the like."""
    found: dict[int, str] = {}
    for token in PARSER.parse(text):
        if token.type in ("fence", "colon_fence", "code_block", "html_block"):
            line = offset + (token.map or [0])[0] + 1
            kind = token.info.split(" ")[0] if token.type != "html_block" else token.content.strip()
            name = kind.strip("{}")
            if token.type == "html_block" and not any(tag in kind for tag in ("<pre", "<code")):
                continue
            if name not in PROSE or name == kind:
                found[line] = kind or token.type
            elif name == "eval-rst":
                hidden = [sign for sign in HIDING if sign in token.content]
                assert not hidden, f"line {line}: {hidden}"
            else:
                found |= found_by_sphinx(token.content, line)
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_of_a_page_is_found(path: Path) -> None:
    shown = found_by_sphinx(path.read_text(encoding="utf-8"))
    taken = {block.line for block in blocks_of(path)}
    assert {line: kind for line, kind in shown.items() if line not in taken} == {}


def test_every_page_is_looked_at() -> None:
    """All that a reader is given: the documentation, and what stands beside the README."""
    given = {*ROOT.glob("*.md"), *ROOT.glob("*.rst"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.rst")}
    assert given - {path for path in given if "_build" in path.parts} <= set(PAGES)


@pytest.mark.parametrize(
    "text",
    [
        "- A point\n\n  ```python\n  x\n  ```\n",
        "1. A point\n   ```console\n   $ x\n   ```\n",
        "> ```python\n> x\n> ```\n",
        "~~~python\nx\n~~~\n",
        "````python\n```\n````\n",
        "Words\n\n    x = 1\n",
        ":::{note}\n```python\nx\n```\n:::\n",
        "```{note}\n~~~python\nx\n~~~\n```\n",
        "```{literalinclude} x.py\n```\n",
        ":::{code-block} python\nx\n:::\n",
        "```\nx\n```\n",
        "<pre>\nx\n</pre>\n",
    ],
)
def test_it_sees_where_a_block_could_hide(text: str) -> None:
    assert len(found_by_sphinx(text)) == 1


@pytest.mark.parametrize("text", ["```{note}\nWords\n```\n", "Words with `code`.\n", "<!-- words -->\n"])
def test_prose_is_no_block(text: str) -> None:
    assert found_by_sphinx(text) == {}


def test_code_hidden_in_restructuredtext_is_seen() -> None:
    with pytest.raises(AssertionError, match="code-block::"):
        found_by_sphinx("```{eval-rst}\n.. code-block:: python\n\n   x\n```\n")


def blocks_with_tests_of_their_own() -> list[Block]:
    own = [block for path in PAGES for block in blocks_of(path) if block.page.startswith(tuple(OWN_TESTS))]
    return [block for block in own if block.language != "console"]  # those are run like all others


@pytest.mark.parametrize("block", blocks_with_tests_of_their_own(), ids=lambda block: block.place)
def test_a_page_with_a_test_of_its_own_leaves_nothing_out(block: Block) -> None:
    if block.page == "docs/quickstart.md":
        assert block.file or commands(block)
        return
    taken = list(files_of_testing().values())
    if block.page.startswith("docs/tutorial/"):
        taken = chapters.blocks_of(Path(block.page).stem)
    assert block.code.strip() in [code.strip() for code in taken]
