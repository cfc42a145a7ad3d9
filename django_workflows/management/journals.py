"""Finds the workflow that a command is about."""

from __future__ import annotations

from ..engine import overview
from ..engine.overview import Journal
from ..manager import WorkflowManager, as_id
from ..models import Workflow

__all__ = ["Journal", "find", "load", "manager"]

manager = WorkflowManager()


def find(workflow_id: str) -> Workflow:
    """The workflow; ``WorkflowNotFound`` if there is none of that id."""
    return overview.find(as_id(workflow_id))


def load(workflow_id: str, *, everything: bool) -> Journal:
    """A workflow's journal as it was at one moment; ``everything``: with payloads and tracebacks."""
    return overview.load(as_id(workflow_id), everything=everything)
