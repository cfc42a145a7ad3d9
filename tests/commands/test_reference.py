"""The reference of the commands names every verb and every option there is, and no other."""

import argparse
import re
from pathlib import Path

import pytest
from django.core.management import load_command_class

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "commands.md").read_text(
    encoding="utf-8"
)
COMMON = {"--json", "--help", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color", "--verbosity"}


def verbs() -> dict[str, argparse.ArgumentParser]:
    parser = load_command_class("django_workflows", "workflows").create_parser("manage.py", "workflows")
    (choice,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(choice.choices)


def test_every_verb_has_a_section() -> None:
    assert set(re.findall(r"^\| \[`([a-z-]+)`\]", PAGE, re.MULTILINE)) == set(verbs())
    assert set(verbs()) <= set(re.findall(r"^## ([a-z-]+)$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_every_option_of_a_verb_is_described(verb: str) -> None:
    section = PAGE.partition(f"\n## {verb}\n")[2].partition("\n## ")[0]
    described = set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))
    assert described == {option for option in verbs()[verb]._option_string_actions if option[:2] == "--"} - COMMON
    assert verbs()[verb].description


PROMISED = {
    "list",
    "show",
    "start",
    "watch",
    "cancel",
    "restart",
    "send",
    "cleanup",
    "definitions",
    "cluster",
    "recover",
}
PROMISED |= {"check-replay", "doctor"}


@pytest.mark.parametrize("verb", sorted(PROMISED))
def test_every_promised_verb_is_there_and_writes_json(verb: str) -> None:
    assert "--json" in verbs()[verb]._option_string_actions
