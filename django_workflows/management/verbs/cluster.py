"""Run workers: django-q2's cluster, which goes on whichever of its processes dies.

It runs in the foreground until SIGTERM or Ctrl-C, ends within the steps that run, and leaves no process behind. Exit
code 0 when it was told to stop, 1 when it could not be kept alive.
"""

from __future__ import annotations

import sys
from argparse import Namespace

from django.core.management.base import BaseCommand, CommandParser

from ..terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--name", metavar="QUEUE", help="Serve this queue, with its part of ALT_CLUSTERS.")


def run(terminal: Terminal, options: Namespace) -> None:
    from ...q2.cluster.main import run as run_cluster

    BaseCommand().check()
    code = run_cluster(options.name)
    if code:
        sys.exit(code)
