"""Cancel a workflow and all its children; its handler may clean up first.

With --force no handler is asked. Says how the workflow stands then: one that cleans up is still in progress, and a step
whose function runs goes on until that returns, or asks whether it is canceled.
"""

from __future__ import annotations

from argparse import Namespace

from django.core.management.base import CommandParser

from ...store.steps import in_flight
from ..acted import report
from ..journals import find, manager
from ..terminal import Terminal
from ..texts import printable


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")
    parser.add_argument("--force", action="store_true", help="End it at once, without its handler.")


def run(terminal: Terminal, options: Namespace) -> None:
    running = in_flight(find(options.id).id)
    manager.cancel(options.id, force=options.force)
    report(terminal, options.id, "Canceling")
    if terminal.json:
        return
    for number, name, host, pid in running:
        terminal.line(
            f"Step {number} ({printable(name)}) still runs, on {printable(host)}, pid {pid}: its function is not "
            "interrupted, and ends by itself or when it asks current_step().canceled(). Its outcome is not used."
        )
