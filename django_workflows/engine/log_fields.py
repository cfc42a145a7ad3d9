"""What log records say about the workflow, step and attempt that they tell of: attributes to filter and group by."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..core.journal import ClaimedStep


def of_workflow(workflow_id: UUID, name: str) -> dict[str, Any]:
    """``extra`` for a record about a workflow."""
    return {"workflow_id": str(workflow_id), "workflow": name}


def of_step(step: ClaimedStep) -> dict[str, Any]:
    """``extra`` for a record about an attempt of a step."""
    return of_attempt(step.workflow_id, step.workflow_name, step.number, step.name, step.attempt)


def of_attempt(workflow_id: UUID, name: str, number: int, step: str, attempt: int) -> dict[str, Any]:
    """The same, where there is no ``ClaimedStep``."""
    return {**of_workflow(workflow_id, name), "step_number": number, "step": step, "attempt": attempt}
