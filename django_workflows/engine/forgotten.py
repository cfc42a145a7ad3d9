"""What a workflow that has ended left undone: events that it never took, steps that it never awaited."""

from __future__ import annotations

import json

from ..core.journal import WorkflowState
from ..models import Workflow
from ..store import events as event_store


def untaken_events(workflow: Workflow) -> dict[str, int]:
    """How many events were sent to a workflow that has ended and not taken, by name."""
    if workflow.state == WorkflowState.IN_PROGRESS or not workflow.has_events:
        return {}
    return event_store.untaken(workflow.id)


def never_awaited(workflow: Workflow) -> dict[int, str]:
    """The steps that its function asked for and never awaited: their names by number."""
    return dict(json.loads(workflow.never_awaited or "[]"))


def untaken_words(workflow: Workflow) -> str:
    """``payment (10), refund (1)``, or nothing."""
    return ", ".join(f"{name} ({count:,})" for name, count in untaken_events(workflow).items())


def never_awaited_words(workflow: Workflow) -> str:
    """``0 shop.steps.send_mail, 3 sleep``, or nothing."""
    return ", ".join(f"{number} {name}" for number, name in never_awaited(workflow).items())
