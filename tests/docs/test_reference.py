"""The reference of the API has every public name, the diagrams every state."""

import re
import sys
from pathlib import Path

import pytest

import django_workflows
from django_workflows import testing
from django_workflows.core.transitions import TABLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", [django_workflows, testing], ids=lambda package: package.__name__)
def test_every_public_name_is_described_once_and_none_that_is_not(package) -> None:
    sections = PAGE.split(".. currentmodule:: ")[1:]
    ours = [section for section in sections if section.splitlines()[0] == package.__name__]
    described = re.findall(r"^\.\. auto(?:class|function|exception|data):: (\w+)$", "\n".join(ours), re.MULTILINE)
    public = [name for name in package.__all__ if not name.startswith("__")]
    assert sorted(described) == sorted(public)
    for name in described:
        value = getattr(package, name)
        assert isinstance(value, type) is False or value.__doc__, name


@pytest.mark.parametrize("kind", TABLES)
def test_each_state_has_its_place_in_the_diagram(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    import state_diagram

    picture = state_diagram.svg(kind)
    assert set(state_diagram.PLACES[kind]) == {state for pair in TABLES[kind] for state in pair}
    assert picture.count("<path d=") == len(TABLES[kind]) + 1
    assert len(state_diagram.legend(kind)) == len(TABLES[kind])
    del sys.modules["state_diagram"]
