"""The page of guarantees names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_guarantee_names_a_test_that_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs/explanation/guarantees.md").read_text())
    named += re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs/explanation/security.md").read_text())
    assert len(named) > 20
    for file, test in named:
        tree = ast.parse((ROOT / file).read_text())
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not test or test in found, f"{file} has no {test}"
