"""Run a workflow again that has ended: the failures that ended it, while all else keeps its result.

With --keep the failures stay as well: for code that was fixed. With --from that step and all after it are dropped, with
their events and children; this works while the workflow is blocked, too.
"""

from __future__ import annotations

import re
from argparse import Namespace

from django.core.management.base import CommandParser

from ...core.restart_plan import FAILED, KEEP
from ..acted import report
from ..journals import manager
from ..terminal import Terminal

_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")
    where = parser.add_mutually_exclusive_group()
    given = where.add_argument("--from", dest="from_step", metavar="STEP")
    given.help = "A step's number, name or function; where several steps have that name, it is the last of them."
    where.add_argument("--keep", action="store_true", help="Keep the whole journal, failures included.")


def run(terminal: Terminal, options: Namespace) -> None:
    step = options.from_step
    if step is None:
        manager.restart(options.id, KEEP if options.keep else FAILED)
    else:
        manager.restart(options.id, int(step) if _NUMBER.fullmatch(step) else step)
    report(terminal, options.id, "Restarted")
