"""Print a workflow's history as JSON, or import one to look at.

A history is kept beside the code, to be replayed by tests and check-replay; so it is whole, and no secret in it is
masked. One that is imported from another database can be shown and replayed; it is never run.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from django.core.management.base import CommandError, CommandParser

from ...core.history_documents import whole_history
from ...engine.histories import read_history
from ...engine.imports import import_history
from ...exceptions import InvalidPayload
from ...manager import as_id
from ..parsing import usage_error
from ..terminal import Terminal
from ..texts import printable


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", nargs="?", help="The workflow's id.")
    parser.add_argument("--output", type=Path, metavar="FILE", help="Write it there instead.")
    given = parser.add_argument("--import", type=Path, metavar="FILE", dest="source")
    given.help = "Take the history in this file into the database, to be looked at; it is never run."
    parser.add_argument("--new-id", action="store_true", help="Import it under a new id.")


def run(terminal: Terminal, options: Namespace) -> None:
    if (options.id is None) == (options.source is None):
        raise usage_error("history takes the id of a workflow, or --import and a file")
    if options.source is not None and options.output is not None:
        raise usage_error("--output goes with the id of a workflow")
    if options.source is None and options.new_id:
        raise usage_error("--new-id goes with --import")
    if options.source is not None:
        _import(terminal, options.source, options.new_id)
    else:
        _export(terminal, options)


def _import(terminal: Terminal, source: Path, new_id: bool) -> None:
    try:
        history = whole_history(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise usage_error(f"{source} cannot be read: {error.strerror}") from None
    except (InvalidPayload, UnicodeDecodeError) as error:
        raise usage_error(f"{source} is no history: {printable(str(error))}") from None
    workflow_id = import_history(history, new_id=new_id)
    if terminal.json:
        terminal.document({"id": str(workflow_id), "file": str(source)})
    else:
        terminal.line(f"Imported {source} as {workflow_id}. It is not run; `workflows show` shows it.")


def _export(terminal: Terminal, options: Namespace) -> None:
    text = read_history(as_id(options.id)).dump()
    if options.output is None:
        terminal.line(text)
        return
    try:
        options.output.write_text(text.rstrip() + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{options.output} cannot be written: {error.strerror}") from None
    if terminal.json:
        terminal.document({"id": str(as_id(options.id)), "file": str(options.output)})
    else:
        terminal.line(f"Wrote the history of {options.id} to {options.output}.")
