"""``manage.py workflows <verb>``: hands over to the verb, and turns its errors into messages and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, ProgrammingError

from ...exceptions import (
    DefinitionNotFound,
    EventNotFound,
    InvalidArguments,
    StepNotFound,
    WorkflowError,
    WorkflowNotFound,
)
from ...store.transient import is_away
from ..parsing import INTERRUPTED, WRONG_USAGE
from ..terminal import Terminal
from ..texts import printable
from ..verbs import all_verbs, summary

#: Asking for what is not there, or with what does not fit, is wrong usage; everything else went wrong later.
_USAGE_ERRORS = (WorkflowNotFound, DefinitionNotFound, EventNotFound, StepNotFound, InvalidArguments)


class Command(BaseCommand):
    help = (
        "Starts, shows, steers and cleans up workflows. "
        "Exit codes: 0 done, 1 failed, 2 wrong usage or nothing of that name."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="verb", required=True)
        for name, verb in all_verbs():
            own = verbs.add_parser(name, help=summary(verb), description=verb.__doc__, parents=[_usual_arguments()])
            verb.add_arguments(own)
            own.set_defaults(verb_module=verb)

    def handle(self, *args: Any, **options: Any) -> None:
        verb, chosen = options["verb_module"], Namespace(**options)
        terminal = Terminal(self.stdout, self.style, json=chosen.json, color=chosen.force_color)
        try:
            verb.run(terminal, chosen)
            self.stdout.flush()
        except _USAGE_ERRORS as error:
            raise CommandError(printable(str(error)), returncode=WRONG_USAGE) from error
        except WorkflowError as error:
            raise CommandError(printable(str(error))) from error
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"{printable(str(error).strip())}{_hint(error)}") from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has seen enough, as `head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        finally:
            terminal.end_live()


def _hint(error: DatabaseError | InterfaceError) -> str:
    if is_away(error):
        return ". The database cannot be used at the moment; `manage.py workflows doctor` says when it can."
    missing = isinstance(error, ProgrammingError) or "no such table" in str(error)
    return ". Has `manage.py migrate` been run?" if missing else ""


def _usual_arguments() -> CommandParser:
    """What every verb takes: ``--json``, and Django's own options, which may so follow the verb as well."""
    usual = CommandParser(add_help=False)
    usual.add_argument("--json", action="store_true", help="Print JSON, for programs to read.")
    for flag in ("--no-color", "--force-color", "--traceback"):
        usual.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    for option in ("--settings", "--pythonpath"):
        usual.add_argument(option, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    usual.add_argument("-v", "--verbosity", type=int, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return usual
