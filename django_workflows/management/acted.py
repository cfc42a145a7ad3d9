"""Says how a workflow stands after something was done to it."""

from __future__ import annotations

from ..core.attempts import read_failure
from ..core.journal import WorkflowState
from ..words.masked import masked_text
from ..words.sentences import state_words
from .documents import full_document
from .journals import find
from .terminal import Terminal
from .texts import preview, printable


def report(terminal: Terminal, workflow_id: str, done: str) -> None:
    """One line, or the workflow's document with ``--json``."""
    workflow = find(workflow_id)
    if terminal.json:
        terminal.document(full_document(workflow))
    else:
        terminal.line(f"{printable(done)} {printable(workflow.name)} {workflow.id}: {state_words(workflow.state)}.")
        failure = read_failure(workflow.error) if workflow.state == WorkflowState.CANCELED else None
        if failure is not None:
            terminal.line(terminal.paint("warning", preview(masked_text(failure.message))))
