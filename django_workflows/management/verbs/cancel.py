"""Cancel a workflow and all its children; its handler may clean up first.

With --force no handler is asked. Says how the workflow stands then: one that cleans up is still in progress.
"""

from __future__ import annotations

from argparse import Namespace

from django.core.management.base import CommandParser

from ..acted import report
from ..journals import manager
from ..terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")
    parser.add_argument("--force", action="store_true", help="End it at once, without its handler.")


def run(terminal: Terminal, options: Namespace) -> None:
    manager.cancel(options.id, force=options.force)
    report(terminal, options.id, "Canceling")
