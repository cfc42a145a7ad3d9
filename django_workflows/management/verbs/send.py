"""Send an event to a workflow, by its name or by the id of one that was made ahead of time."""

from __future__ import annotations

from argparse import Namespace
from uuid import UUID

from django.core.management.base import CommandParser

from ...engine.send_event import send_event
from ...manager import as_id
from ..acted import report
from ..parsing import json_value, usage_error
from ..terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", help="The workflow's id.")
    parser.add_argument("event", help="The event's name, or the id of one that was made ahead of time.")
    parser.add_argument("--value", metavar="JSON", help="What is sent; null if it is left out.")
    parser.add_argument("--error", metavar="TEXT", help="Send this error instead, which is raised where it is awaited.")
    parser.add_argument("--idempotency-key", metavar="KEY", help="The same key again sends nothing new.")


def run(terminal: Terminal, options: Namespace) -> None:
    if options.value is not None and options.error is not None:
        raise usage_error("An event has either a --value or an --error.")
    value = None if options.value is None else json_value(options.value, what="--value")
    event_id = _as_event_id(options.event)
    name = options.event if event_id is None else None
    send_event(
        as_id(options.id),
        name,
        value,
        error=options.error,
        event_id=event_id,
        from_outside=True,
        idempotency_key=options.idempotency_key,
    )
    report(terminal, options.id, f"Sent {options.event!r} to")


def _as_event_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
