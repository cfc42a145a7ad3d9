"""Print a workflow's history as JSON, to be kept beside the code and replayed by tests and check-replay."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from django.core.management.base import CommandError, CommandParser

from ...engine.histories import read_history
from ...manager import as_id
from ..terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")
    parser.add_argument("--output", type=Path, metavar="FILE", help="Write it there instead.")


def run(terminal: Terminal, options: Namespace) -> None:
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
