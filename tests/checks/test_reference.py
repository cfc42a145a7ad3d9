"""The reference names every check and every setting."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from django_workflows import checks, conf, tasks
from django_workflows.checks.determinism import rules

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
#: A backend of tasks checks itself, as its framework asks it to.
SOURCES = [*Path(checks.__file__).parent.rglob("*.py"), *Path(tasks.__file__).parent.rglob("*.py")]


def test_every_check_is_in_the_reference_and_nothing_else() -> None:
    sources = "".join(path.read_text() for path in SOURCES)
    ids = set(re.findall(r'"django_workflows\.([EW]\d{3})"', sources))
    ids |= {rule.id for rule in vars(rules).values() if isinstance(rule, rules.Rule)}

    described = re.findall(r"^\| ([EW]\d{3}) \|", (REFERENCE / "checks.md").read_text(), re.MULTILINE)
    assert sorted(described) == sorted(ids)


def test_an_id_has_one_meaning() -> None:
    """A number is used once, and by one module."""
    sources = {path: path.read_text() for path in SOURCES}
    uses = {(each[1:], path) for path, text in sources.items() for each in re.findall(r"\.([EW]\d{3})\"", text)}
    numbers = [number for number, _ in uses]
    assert sorted(set(numbers)) == sorted(numbers)


def test_each_check_names_a_way_out() -> None:
    made = [
        (f"{path.name}:{node.lineno}", {keyword.arg for keyword in node.keywords})
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Error", "Warning")
    ]
    assert len(made) > 25
    assert [place for place, words in made if not {"hint", "id"} <= words] == []


def test_every_setting_is_in_the_reference_with_its_default_and_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.+)` \| (.+) \|$", (REFERENCE / "settings.md").read_text(), re.MULTILINE)

    assert rows == [(key, repr(each.default), each.doc) for key, each in conf.SETTINGS.items()]
