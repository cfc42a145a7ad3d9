"""The table *Where is ...?* names what there is."""

import ast
import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs/explanation/architecture.md").read_text()
TABLE = PAGE.partition("## Where is ...?")[2].partition("\n## ")[0]
ROWS = [line for line in TABLE.splitlines() if line.startswith("|")][2:]
PLACES = [(place[0], place[1]) for row in ROWS for place in re.findall(r"`([\w/]+\.py)`(?:: `(\w+)`)?", row)]


def defined_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }


def test_it_answers_at_least_twenty_questions() -> None:
    assert len(ROWS) >= 20
    assert all("`" in row.split("|")[2] for row in ROWS), "each names a file"


@pytest.mark.parametrize(("file", "name"), PLACES, ids=lambda value: value or "whole")
def test_what_it_names_is_there(file: str, name: str) -> None:
    path = ROOT / "django_workflows" / file
    assert path.is_file(), file
    assert not name or name in defined_in(path)
