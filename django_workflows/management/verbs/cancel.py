"""Cancel a workflow and all its children; its handler may clean up first.

With --force no handler is asked. Says how the workflow stands then: one that cleans up is still in progress, and a step
whose function runs goes on until that returns, or asks whether it is canceled.
"""

from __future__ import annotations

from argparse import Namespace

from django.core.management.base import CommandParser

from ...store.steps import still_running
from ...words.sentences import still_running_words
from ..acted import report
from ..journals import find, manager
from ..terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")
    parser.add_argument("--force", action="store_true", help="End it at once, without its handler.")


def run(terminal: Terminal, options: Namespace) -> None:
    manager.cancel(options.id, force=options.force)
    report(terminal, options.id, "Canceling")
    if terminal.json:
        return
    for step in still_running(find(options.id).id):
        terminal.line(still_running_words(step))
