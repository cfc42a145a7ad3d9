"""Retry now: steps in back-off are due at once, and a blocked workflow is looked at.

A worker does it; `manage.py workflows watch ID` shows what comes of it.
"""

from __future__ import annotations

from argparse import Namespace

from django.core.management.base import CommandParser

from ..acted import report
from ..journals import manager
from ..terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")


def run(terminal: Terminal, options: Namespace) -> None:
    manager.retry_now(options.id)
    report(terminal, options.id, "Retrying")
