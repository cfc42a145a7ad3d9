"""What a page shows of a workflow's state, as JSON values."""

from typing import Any
from uuid import UUID

from django_workflows import InProgress, WorkflowManager

workflow = WorkflowManager()


def look(workflow_id: UUID) -> dict[str, Any]:
    """``stage`` changes whenever the page needs other contents; ``done`` of ``total`` are a running step's progress.

    Raises ``WorkflowNotFound``.
    """
    status = workflow.status(workflow_id)
    running = [name.rpartition(".")[2] for name in status.running] if isinstance(status, InProgress) else []
    progress = next(iter(status.progress.values()), None) if isinstance(status, InProgress) else None
    done, total, message = progress or (0, None, "")
    return {
        "state": status.type,
        "stage": f"{status.type} {' '.join(running)}".strip(),
        "running": running,
        "done": done,
        "total": total,
        "message": message,
        "finished": status.type != "in_progress",
    }
