"""Examine settings, code, database, workers and queues, and say of each thing that is wrong how to mend it.

Runs the system checks, and live ones that ask the database. The exit code is 0 when nothing is wrong, or nothing worse
than --fail-level allows, and 1 otherwise.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from django.core.checks import ERROR, WARNING, CheckMessage, run_checks
from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseError

from ...checks import TAG
from ...checks.live import CHECKS
from ..terminal import Terminal
from ..texts import plural, printable

_LEVELS = {"WARNING": WARNING, "ERROR": ERROR}
#: How each thing that is looked at is called.
_SUBJECTS = {
    "settings": "settings, cluster and handlers",
    "schema": "database and migrations",
    "durability": "durability of the database",
    "sweep": "sweep",
    "code": "definitions of what is in progress",
    "journal": "workers, queues, workflows and clocks",
}


def add_arguments(parser: CommandParser) -> None:
    given = parser.add_argument("--fail-level", choices=list(_LEVELS), default="ERROR")
    given.help = "Exit with 1 if something is as bad as this, or worse (default: ERROR)."


def run(terminal: Terminal, options: Namespace) -> None:
    found: list[CheckMessage] = []
    examined = []
    for subject, messages in _examine():
        found += messages
        examined.append({"subject": subject, "problems": [_document(message) for message in messages]})
        if not terminal.json:
            _write(terminal, subject, messages)
    bad = [message for message in found if message.level >= _LEVELS[options.fail_level]]
    if terminal.json:
        terminal.document({"ok": not bad, "examined": examined})
    elif not found:
        terminal.line("Nothing is wrong.")
    if bad:
        raise CommandError(f"{plural(len(bad), 'problem')} to be mended.")


def _examine() -> Iterator[tuple[str, list[CheckMessage]]]:
    """Each subject with what is wrong. Without a database that answers and has its tables, the rest is left out."""
    yield "settings", [message for message in run_checks(tags=[TAG]) if not message.is_silenced()]
    for subject, check in CHECKS.items():
        try:
            messages = [message for message in check() if not message.is_silenced()]
        except DatabaseError as error:
            raise CommandError(f"{_SUBJECTS[subject]}: {printable(str(error).strip())}") from error
        yield subject, messages
        if subject == "schema" and messages:
            return


def _write(terminal: Terminal, subject: str, messages: list[CheckMessage]) -> None:
    if not messages:
        terminal.line(f"{terminal.paint('completed', 'ok')}       {_SUBJECTS[subject]}")
    for message in messages:
        word, role = ("error", "failed") if message.level >= ERROR else ("warning", "warning")
        place = f"{printable(str(message.obj))}: " if message.obj else ""
        identity = (message.id or "").removeprefix("django_workflows.")
        terminal.line(f"{terminal.paint(role, word)}{' ' * (9 - len(word))}{identity} {place}{printable(message.msg)}")
        if message.hint:
            terminal.line(f"         {printable(str(message.hint))}")


def _document(message: CheckMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "level": "error" if message.level >= ERROR else "warning",
        "message": message.msg,
        "hint": message.hint,
        "place": None if message.obj is None else str(message.obj),
    }
