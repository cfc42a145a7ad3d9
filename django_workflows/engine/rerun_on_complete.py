"""Runs the callback of a finished workflow again, after it failed."""

from __future__ import annotations

from uuid import UUID

from ..core.entries import WorkflowEnd
from ..core.journal import Failure
from ..exceptions import NothingToRunAgain
from ..store import callbacks, workflows
from ..store.once import once
from .complete import run_on_complete
from .observe import read


def rerun_on_complete(workflow_id: UUID) -> bool:
    """Run ``on_complete`` again, in one transaction with the note that it went well; whether it did.

    If it fails again, its new error is kept, and nothing that it wrote. Raises ``WorkflowNotFound``, or
    ``NothingToRunAgain`` if it did not fail, went well meanwhile, or the workflow is running (again).
    """

    def change() -> bool:
        workflow = callbacks.lock_failed(workflow_id)
        if workflow is None:
            raise NothingToRunAgain(f"on_complete of workflow {read(workflow_id).id} has not failed")
        error = None if workflow.error is None else Failure.load(workflow.error)
        went_well = run_on_complete(workflow, WorkflowEnd(workflow.state, workflow.result, error))
        if went_well:
            workflows.set_on_complete_error(workflow_id, None)
        return went_well

    return once(change)
