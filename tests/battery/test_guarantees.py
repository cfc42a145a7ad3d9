"""What the documentation says of tests: each guarantee has a section that names some, and each that is named exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if "_build" not in path.parts and NAMED.search(path.read_text())]


def missing(text: str) -> list[str]:
    """Tests that a text names, and that are not there."""
    found = []
    for file, test in NAMED.findall(text):
        path = ROOT / file
        tree = ast.parse(path.read_text()) if path.exists() else None
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)} if tree else set()
        if tree is None or (test and test not in names) or not any(name.startswith("test_") for name in names):
            found.append(f"{file}::{test}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_each_test_that_is_named_is_there(page: Path) -> None:
    assert missing(page.read_text()) == []


@pytest.mark.parametrize("text", ["`tests/nothing.py`", "`tests/battery/test_guarantees.py::test_of_something_else`"])
def test_a_test_that_is_not_there_is_noticed(text: str) -> None:
    assert len(missing(text)) == 1


def test_each_guarantee_has_a_section_that_names_its_tests() -> None:
    text = (DOCS / "explanation/guarantees.md").read_text()
    sections = text.split("\n## ")[1:]
    assert len(sections) > 12
    assert [section.splitlines()[0] for section in sections if not NAMED.search(section)] == []
