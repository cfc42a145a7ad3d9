"""Tries again at once what waits to be tried again: steps in back-off, and workflows that were parked."""

from __future__ import annotations

from uuid import UUID

from ..exceptions import WorkflowNotRunning
from ..store import steps as step_store
from ..store import workflows
from ..store.database import atomic, retrying
from .dispatch import wake
from .inside import writes
from .observe import read


@writes
def retry_now(workflow_id: UUID) -> None:
    """Let the workflow's steps in back-off be tried now, and itself be looked at now if it is parked.

    Raises ``WorkflowNotFound`` or ``WorkflowNotRunning``.
    """

    def change() -> None:
        with atomic():
            locked = workflows.lock(workflow_id)
            if locked is None:
                state = read(workflow_id).state
                raise WorkflowNotRunning(f"workflow {workflow_id} is {state}, so nothing is tried again")
            workflow, _ = locked
            queues = step_store.retry_now(workflow_id)
            if workflow.problem:
                workflows.park(workflow_id, workflow.problem, seconds=0.0)
                queues.add(workflow.queue)
            for queue in queues:
                wake(queue)

    retrying(change)
