"""List workflows, newest first."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime

from django.core.management.base import CommandParser

from ...core.blocked import BlockedReason
from ...core.journal import WorkflowState
from ...core.registry import registry
from ...core.timeline import human
from ...models import Workflow
from ...store.blocked import blocked_of
from ...store.database import now
from ...words.sentences import blocked_for, moment, run_began, state_words
from ..documents import workflow_document
from ..journals import manager
from ..parsing import positive
from ..terminal import Terminal
from ..texts import aligned, printable

_LIMIT = 20
_STATES = [*(state.value for state in WorkflowState), "blocked"]
_REASONS = [reason.value for reason in BlockedReason]
_PAYLOADS = ("args", "result", "context", "trace", "on_complete_error")


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--name", help="Only those of this definition.")
    parser.add_argument("--state", choices=_STATES, help="Only those in this state.")
    parser.add_argument("--reason", choices=_REASONS, help="Only those that are blocked by this reason.")
    parser.add_argument("--limit", type=positive, default=_LIMIT, help=f"How many at the most (default: {_LIMIT}).")


def run(terminal: Terminal, options: Namespace) -> None:
    rows = manager.list(name=options.name, state=options.state, reason=options.reason).defer(*_PAYLOADS)
    found = list(rows[: options.limit + 1])
    shown, more = found[: options.limit], len(found) > options.limit
    if options.name is not None and not found and not manager.list(name=options.name).exists():
        registry.find(options.name)  # raises with the nearest names
    if terminal.json:
        terminal.document({"workflows": [workflow_document(row) for row in shown], "more": more})
    else:
        _write(terminal, shown, more)


def _write(terminal: Terminal, rows: Sequence[Workflow], more: bool) -> None:
    if not rows:
        terminal.line("No workflows.")
        return
    moment_of_reading = now()
    cells = [("ID", "STATE", "CREATED", "DURATION", "NAME"), *(_cells(row, moment_of_reading) for row in rows)]
    heading, *lines = aligned(cells, right=[3], widest=200)
    terminal.line(terminal.paint("title", "  ".join(heading).rstrip()))
    for row, line in zip(rows, lines, strict=True):
        line[1] = terminal.paint("blocked" if blocked_of(row) else row.state, line[1])
        terminal.line("  ".join(line).rstrip())
    if more:
        terminal.line("There are older ones; --limit shows more.")


def _state(row: Workflow, read_at: datetime) -> str:
    blocked = blocked_of(row)
    return state_words(row.state) if blocked is None else blocked_for(blocked, read_at)


def _cells(row: Workflow, read_at: datetime) -> tuple[str, ...]:
    return (
        str(row.id),
        _state(row, read_at),
        moment(row.created_at),
        human((row.finished_at or read_at) - run_began(row)),
        printable(row.name),
    )
