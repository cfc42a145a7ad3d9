"""Run a finished workflow again: replayed from its whole journal, or from the steps before one.

With --from that step and all after it are forgotten, with their events and children.
"""

from __future__ import annotations

from argparse import Namespace

from django.core.management.base import CommandParser

from ..acted import report
from ..journals import manager
from ..terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")
    given = parser.add_argument("--from", dest="from_step", metavar="STEP")
    given.help = "A step's number, or a name or function, of which the last such step is meant."


def run(terminal: Terminal, options: Namespace) -> None:
    step = options.from_step
    manager.restart(options.id, int(step) if step is not None and step.isdecimal() else step)
    report(terminal, options.id, "Restarted")
