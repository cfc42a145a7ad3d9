"""Why something cannot be done to a workflow in its state."""

from __future__ import annotations

from django.utils.translation import gettext as _

from ...core.journal import WorkflowState
from ...models import Workflow


def why_not_running(workflow: Workflow) -> str:
    """For what only a running workflow can take."""
    return "" if workflow.state == WorkflowState.IN_PROGRESS else _("It has ended.")


def why_not_finished(workflow: Workflow) -> str:
    """For what only an ended workflow can take."""
    if workflow.state != WorkflowState.IN_PROGRESS:
        return ""
    return _("It is still in progress: cancel it first, or wait for its end.")
