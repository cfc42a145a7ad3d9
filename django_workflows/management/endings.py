"""Reports how a workflow that was waited for ended, and makes the exit code of it."""

from __future__ import annotations

from django.core.management.base import CommandError

from ..core.attempts import read_failure
from ..core.journal import WorkflowState
from ..models import Workflow
from ..words.masked import masked_json
from ..words.sentences import error_words
from .terminal import Terminal
from .texts import preview


def report_end(terminal: Terminal, workflow: Workflow) -> None:
    """Show the result; ``CommandError`` unless the workflow completed."""
    if workflow.state == WorkflowState.COMPLETED:
        if not terminal.json:
            terminal.line(f"Result: {preview(masked_json(workflow.result or 'null'))}")
        return
    see = f"See manage.py workflows show {workflow.id}"
    if workflow.state == WorkflowState.IN_PROGRESS:
        raise CommandError(f"The workflow has not ended in time, and goes on. {see}")
    if workflow.state == WorkflowState.CANCELED:
        raise CommandError(f"The workflow was canceled. {see}")
    raise CommandError(f"The workflow failed with {error_words(read_failure(workflow.error))}. {see}")
