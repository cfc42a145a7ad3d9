"""How the states of workflows, steps and events follow each other, and why: what the documentation draws.

Nothing else happens: the tests watch the tables while workflows of all kinds run, and find each of these changes and
no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: The state before the first: the row is made.
NEW = ""

Transitions = Mapping[tuple[str, str], str]

WORKFLOW: Transitions = MappingProxyType(
    {
        (NEW, "in_progress"): "start",
        ("in_progress", "completed"): "the handler returns",
        ("in_progress", "failed"): "the handler raises",
        ("in_progress", "canceled"): "cancel",
        ("completed", "in_progress"): "restart",
        ("failed", "in_progress"): "restart",
        ("canceled", "in_progress"): "restart",
    }
)

STEP: Transitions = MappingProxyType(
    {
        (NEW, "queued"): "asked for; a worker is needed",
        (NEW, "running"): "asked for, and begun by the same worker",
        (NEW, "waiting"): "asked for; a child, an event or a timer",
        (NEW, "completed"): "done in the turn itself",
        (NEW, "failed"): "failed in the turn itself",
        (NEW, "canceled"): "given up in the turn that asked for it",
        ("queued", "running"): "a worker takes it",
        ("queued", "canceled"): "no longer wanted",
        ("running", "completed"): "the function returns",
        ("running", "failed"): "it raises, and no attempt is left",
        ("running", "queued"): "it raises, and is tried again",
        ("running", "canceled"): "no longer wanted",
        ("waiting", "completed"): "the child ends, the event comes, the time is over",
        ("waiting", "failed"): "the child fails, the event is an error or late",
        ("waiting", "canceled"): "no longer wanted",
        ("completed", "canceled"): "the event came, but the wait was given up",
        ("canceled", "queued"): "restart",
        ("canceled", "waiting"): "restart",
    }
)

EVENT: Transitions = MappingProxyType(
    {
        (NEW, "created"): "made ahead of time",
        (NEW, "sent"): "sent by its name",
        ("created", "sent"): "sent by its id",
        ("sent", "consumed"): "a handler takes it",
        ("consumed", "sent"): "the wait was given up; kept for the next one",
    }
)

TABLES: Mapping[str, Transitions] = MappingProxyType({"workflow": WORKFLOW, "step": STEP, "event": EVENT})
