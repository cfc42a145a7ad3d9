"""Runs what the console blocks show. Commands of this project really run; of others the words are checked."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import tomllib
from uuid import UUID

from django.core.management import CommandError, call_command, get_commands, load_command_class

from tests.docs.blocks import ROOT, Block, commands

_ID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\bID\b")
#: Verbs that only read, or that a test may carry out; of the others the words are parsed.
_RUN = {"list", "show", "definitions", "doctor", "history", "check-replay", "patches", "cleanup", "recover"}
_MAKE = re.compile(r"^([\w -]+):", re.MULTILINE)


def check(block: Block, workflow_id: UUID) -> None:
    """``AssertionError`` if a command of the block would not work. Ids stand for ``workflow_id``."""
    found = commands(block)
    assert found, f"{block.place}: no line begins with '$ '"
    for command in found:
        shell = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
        assert shell.returncode == 0, f"{block.place}: {shell.stderr}"
        for part in re.split(r"\s+(?:&&|\|)\s+", command):
            _check(block, shlex.split(part, comments=True), workflow_id)


def _check(block: Block, words: list[str], workflow_id: UUID) -> None:
    match words:
        case [("python" | "python3"), "manage.py", *rest]:
            _manage(block, rest, workflow_id)
        case ["make", *rest]:
            targets = " ".join(_MAKE.findall((ROOT / "Makefile").read_text(encoding="utf-8"))).split()
            assert all(word in targets for word in rest if "=" not in word), f"{block.place}: make {rest}"
        case ["pip", "install", *rest]:
            _packages(block, rest)
        case _:
            pass  # somebody else's command, whose syntax bash has checked


def _manage(block: Block, words: list[str], workflow_id: UUID) -> None:
    assert words[0] in get_commands(), f"{block.place}: there is no command {words[0]}"
    if words[0] != "workflows":
        return
    options = [_ID.sub(str(workflow_id), word) for word in words[1:] if not word.startswith(">")]
    parser = load_command_class("django_workflows", "workflows").create_parser("manage.py", "workflows")
    try:
        parser.parse_args(options)
    except CommandError as error:
        raise AssertionError(f"{block.place}: {' '.join(words)}: {error}") from error
    if options[0] not in _RUN or any(word.endswith((".json", "/")) for word in options):
        return
    out = io.StringIO()
    try:
        call_command("workflows", *options, stdout=out)
    except CommandError as error:
        assert error.returncode == 1, f"{block.place}: {' '.join(words)}: {error}"


def _packages(block: Block, words: list[str]) -> None:
    """Ours is spelled as it is called, with extras that there are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for word in words:
        found = re.fullmatch(r"(django-durable-workflows)(?:\[([\w,]+)\])?(?:[=<>~!]=.*)?", word)
        if word.startswith(("django-durable", "django_workflows")):
            assert found, f"{block.place}: {word}"
            unknown = set((found[2] or "").split(",")) - {""} - set(project["optional-dependencies"])
            assert not unknown, f"{block.place}: no extra {unknown}"
