"""What to do about a workflow that failed: from where to run it again, once the cause is mended."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _

from ...core.histories import IMPORTED
from ...core.journal import WorkflowState
from ...engine.culprits import culprit
from ...models import Workflow
from ..permissions import RESTART, may
from ..site import link


@dataclass(frozen=True)
class Mending:
    """A sentence, and the button for it (without ``url``: nothing that this user may press)."""

    sentence: str
    label: str = ""
    url: str = ""


def mending(request: HttpRequest, workflow: Workflow) -> Mending | None:
    """``None`` for one that has not failed."""
    if workflow.state != WorkflowState.FAILED:
        return None
    number = culprit(workflow)
    if number is None:
        sentence = _("Its own code raised this, not a step. Deploy code that is mended, then restart it.")
        label, query = _("Restart…"), ""
    else:
        sentence = _(
            "Step %(number)s failed with this. Mend the cause, then restart it from there: what came before is kept."
        ) % {"number": number}
        label, query = _("Restart from step %(number)s…") % {"number": number}, f"?step={number}"
    if not may(request, RESTART) or workflow.queue == IMPORTED:
        return Mending(sentence)
    return Mending(sentence, label, link("act", workflow.id, "restart") + query)
