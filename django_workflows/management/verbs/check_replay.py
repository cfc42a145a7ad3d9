"""Replay journals against the checked-out code, before it is deployed: do they still match?

Looks at the workflows in progress, or at history files. No step is run and nothing is written. The exit code is 1 when
one does not match.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...core.histories import History
from ...core.registry import registry
from ...engine.histories import mismatch, read_history
from ...exceptions import InvalidPayload, WorkflowNotFound
from ..journals import manager
from ..parsing import usage_error
from ..terminal import Terminal
from ..texts import plural, printable


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="Histories, as the verb history wrote them."
    )
    parser.add_argument("--name", help="Only workflows of this definition.")
    parser.add_argument("--finished", action="store_true", help="Look at finished workflows as well.")


def run(terminal: Terminal, options: Namespace) -> None:
    count, problems = 0, []
    for source, history in _histories(options):
        count += 1
        terminal.live(f"{plural(count, 'journal')} so far")
        definition = registry.get(history.name)
        problem = mismatch(definition, history) if definition else f"no workflow is defined as {history.name}"
        if problem is not None:
            problems.append({"source": source, "name": history.name, "problem": problem})
    _report(terminal, count, problems)
    if problems:
        raise CommandError(f"{plural(len(problems), 'journal')} of {count:,} would not replay.")


def _histories(options: Namespace) -> Iterator[tuple[str, History]]:
    if options.files:
        for path in options.files:
            yield str(path), _load(path)
        return
    wanted = manager.list(name=options.name, state=None if options.finished else "in_progress")
    for workflow_id in wanted.values_list("id", flat=True).iterator():
        try:
            yield str(workflow_id), read_history(workflow_id)
        except WorkflowNotFound:
            continue  # cleaned up meanwhile


def _load(path: Path) -> History:
    try:
        return History.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise usage_error(f"{path} cannot be read: {error.strerror}") from None
    except (InvalidPayload, UnicodeDecodeError) as error:
        raise usage_error(f"{path} is no history: {printable(str(error))}") from None


def _report(terminal: Terminal, count: int, problems: list[dict[str, Any]]) -> None:
    if terminal.json:
        terminal.document({"checked": count, "problems": problems})
        return
    for problem in problems:
        terminal.line(f"{terminal.paint('title', problem['source'])} {printable(problem['name'])}")
        for line in problem["problem"].splitlines():
            terminal.line(f"  {printable(line)}")
    terminal.line(f"Replayed {plural(count, 'journal')}: {count - len(problems):,} match.")
