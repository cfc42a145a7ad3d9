"""Retries at once: steps in back-off, and workflows that are blocked."""

from __future__ import annotations

from uuid import UUID

from ..exceptions import WorkflowNotRunning
from ..store import steps as step_store
from ..store import workflows
from ..store.blocked import look_at_now
from ..store.database import atomic, retrying
from .dispatch import wake
from .inside import writes
from .observe import read


@writes
def retry_now(workflow_id: UUID) -> None:
    """Let the workflow's steps in back-off be tried now, and itself be looked at now if it is blocked.

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
            if workflow.blocked_message:
                look_at_now(workflow_id)
                queues.add(workflow.queue)
            for queue in queues:
                wake(queue)

    retrying(change)
