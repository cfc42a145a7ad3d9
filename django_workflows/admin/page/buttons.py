"""The buttons of a workflow: what the user may do, and why it is not possible where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.http import HttpRequest
from django.utils.translation import gettext as _

from ...core.journal import WorkflowState
from ...core.registry import registry
from ...models import Workflow
from ...store.blocked import blocked_of
from ..actions import ACTIONS
from ..permissions import START, may
from ..site import link


@dataclass(frozen=True)
class Button:
    """``why`` is empty if it works; a ``direct`` one posts, others lead to a form."""

    name: str
    label: str
    url: str
    why: str = ""
    direct: bool = False
    dangerous: bool = False


@dataclass(frozen=True)
class Reason:
    """Why some buttons do not work."""

    why: str
    labels: list[str] = field(default_factory=list)


def buttons(request: HttpRequest, workflow: Workflow) -> list[Button]:
    """In the order in which they stand; what the user has no permission for is not offered at all."""
    found = [
        Button(
            name=action.name,
            label=str(action.label),
            url=link("act", workflow.id, action.name),
            why=action.why_not(workflow),
            direct=action.direct,
            dangerous=action.dangerous,
        )
        for action in ACTIONS.values()
        if may(request, action.permission)
    ]
    return [*found, *_another(request, workflow)]


def _another(request: HttpRequest, workflow: Workflow) -> Iterator[Button]:
    if may(request, START):
        known = registry.get(workflow.name) is not None
        why = "" if known else _("The code that is running here has no workflow of this name.")
        # A name that is not known came with an import, perhaps, and is none that an address could hold.
        url = f"{link('start', workflow.name)}?like={workflow.id}" if known else ""
        yield Button("another", _("Start another like this…"), url, why)


def reasons(found: list[Button]) -> list[Reason]:
    """Why buttons do not work, each reason once."""
    grouped: dict[str, Reason] = {}
    for button in found:
        if button.why:
            grouped.setdefault(button.why, Reason(button.why)).labels.append(button.label.rstrip("…"))
    return list(grouped.values())


def restart_url(workflow: Workflow, number: int) -> str:
    """Where to restart a workflow from a step; empty while it runs, unless it is blocked."""
    if workflow.state == WorkflowState.IN_PROGRESS and blocked_of(workflow) is None:
        return ""
    return f"{link('act', workflow.id, 'restart')}?step={number}"
