"""The reference of the API has every public name, the diagrams every state."""

import re
import sys
from pathlib import Path

import pytest

import django_workflows
from django_workflows import conf, exceptions, testing
from django_workflows.core.transitions import TABLES
from tests.docs.blocks import PAGES

ROOT = Path(__file__).parents[2]
#: How names of our settings begin that no setting of somebody else's has.
PREFIXES = (
    "MAX_",
    "API_",
    "ON_MISMATCH",
    "LEASE",
    "TURN_",
    "STALLED_",
    "DRAIN_",
    "MASKED_",
    "LIVE_",
    "BATCH_",
    "METRICS_",
)
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


PAGES_TEXT = {path.name: path.read_text(encoding="utf-8") for path in PAGES}


@pytest.mark.parametrize("name", PAGES_TEXT)
def test_checks_settings_and_errors_that_a_page_names_are_there(name: str) -> None:
    """In words that stand as code: ``E002``, ``MAX_DELIVERIES``, ``StepFailed``."""
    words = set(re.findall(r"`(\w+)`", PAGES_TEXT[name])) | set(re.findall(r"\[([EW]0\d\d)\]", PAGES_TEXT[name]))
    ids = set(re.findall(r"^\| ([EW]\d{3}) \|", PAGES_TEXT["checks.md"], re.MULTILINE))
    assert {word for word in words if re.fullmatch(r"[EW]0\d\d", word)} <= ids
    ours = {word for word in words if word.startswith(PREFIXES)}
    assert ours <= set(conf.SETTINGS)


def test_errors_that_troubleshooting_names_are_there() -> None:
    rows = re.findall(r"^\| ((?:`[^`]+`,? ?)+) \|", PAGES_TEXT["troubleshooting.md"], re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", row)}
    assert len(named) > 7
    assert {name for name in named if not hasattr(exceptions, name)} == set()
