"""The reference names every check and every setting."""

from __future__ import annotations

import re
from pathlib import Path

from django_workflows import checks, conf
from django_workflows.checks.determinism import rules

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_every_check_is_in_the_reference_and_nothing_else() -> None:
    sources = "".join(path.read_text() for path in Path(checks.__file__).parent.rglob("*.py"))
    ids = set(re.findall(r'"django_workflows\.([EW]\d{3})"', sources))
    ids |= {rule.id for rule in vars(rules).values() if isinstance(rule, rules.Rule)}

    assert set(re.findall(r"^\| ([EW]\d{3}) \|", (REFERENCE / "checks.md").read_text(), re.MULTILINE)) == ids


def test_every_setting_is_in_the_reference_with_its_default_and_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.+)` \| (.+) \|$", (REFERENCE / "settings.md").read_text(), re.MULTILINE)

    assert rows == [(key, repr(each.default), each.doc) for key, each in conf.SETTINGS.items()]
