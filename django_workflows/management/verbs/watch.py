"""Watch a workflow until it has ended: a live line, or a line per change where there is no terminal.

With --json each change is one line of JSON. The exit code is 0 when the workflow completes, 1 when it fails, is
canceled, or has not ended in time.
"""

from __future__ import annotations

from argparse import Namespace

from django.core.management.base import CommandParser

from ..endings import report_end
from ..following import follow
from ..journals import find
from ..parsing import seconds
from ..terminal import Terminal
from ..texts import printable


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")
    parser.add_argument("--timeout", type=seconds, help="How long to watch, as 30s or 5min (default: to the end).")


def run(terminal: Terminal, options: Namespace) -> None:
    workflow = find(options.id)
    if not terminal.json:
        terminal.line(f"{terminal.paint('title', printable(workflow.name))}  {workflow.id}")
    follow(terminal, workflow.id, options.timeout, lines=True)
    report_end(terminal, find(options.id))
