"""Start a workflow by the name of its definition, and with --wait stay with it to its end.

Prints the id. With --wait the exit code is 0 when the workflow completes, 1 when it fails, is canceled, or has not
ended in time.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from ...core.definitions import Definition
from ...core.registry import registry
from ...exceptions import InvalidArguments
from ..documents import full_document
from ..endings import report_end
from ..following import follow
from ..journals import find, manager
from ..parsing import instant, json_object, seconds, usage_error
from ..schematic import parameters
from ..terminal import Terminal
from ..texts import preview, printable


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("name", help="The definition, as `manage.py workflows definitions` lists it.")
    # Django takes `args` for itself.
    given = parser.add_argument("--args", dest="arguments", default="{}", metavar="JSON")
    given.help = """The arguments by name: '{"city": "Paris"}'."""
    parser.add_argument("--idempotency-key", metavar="KEY", help="The same key again gives the first workflow.")
    parser.add_argument("--queue", help="The django-q2 cluster that is to run it.")
    parser.add_argument("--run-at", type=instant, metavar="WHEN", help="Begin then: ISO 8601, else in TIME_ZONE.")
    parser.add_argument("--wait", action="store_true", help="Wait for the end, and show how it gets on.")
    parser.add_argument("--timeout", type=seconds, help="With --wait: for how long, as 30s or 5min.")


def run(terminal: Terminal, options: Namespace) -> None:
    if options.timeout is not None and not options.wait:
        raise usage_error("--timeout says how long to --wait; it means nothing without that.")
    workflow_id = _start(options)
    if not terminal.json:
        terminal.line(f"Started {printable(options.name)} {terminal.paint('title', str(workflow_id))}")
    if options.wait:
        follow(terminal, workflow_id, options.timeout, lines=False)
    workflow = find(str(workflow_id))
    if terminal.json:
        terminal.document(full_document(workflow))
    if options.wait:
        report_end(terminal, workflow)


def _start(options: Namespace) -> UUID:
    definition = registry.find(options.name)
    chosen = {"idempotency_key": options.idempotency_key, "queue": options.queue, "run_at": options.run_at}
    arguments = json_object(options.arguments, what="--args")
    try:
        return manager.start(definition, arguments, **chosen)
    except InvalidArguments as error:
        raise _misfit(definition, error) from error


def _misfit(definition: Definition[Any, Any], error: InvalidArguments) -> CommandError:
    """What is wrong with which argument, and what there is to give."""
    if not error.errors:
        return usage_error(printable(str(error)))
    found = [f"  {_place(problem['loc'])}: {preview(str(problem['msg']))}" for problem in error.errors]
    taken = parameters(definition) or "no arguments"
    return usage_error("\n".join([f"{definition.name} cannot be started so:", *found, f"It takes {taken}"]))


def _place(path: list[str | int]) -> str:
    name, *inside = path or ["arguments"]
    return printable(str(name) + "".join(f"[{part!r}]" for part in inside))
