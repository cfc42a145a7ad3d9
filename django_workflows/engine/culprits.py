"""Finds the step whose error ended a workflow, so that it can be run again from there."""

from __future__ import annotations

from ..core.attempts import read_failure
from ..core.journal import Failure, WorkflowState
from ..core.retry import dotted_path
from ..exceptions import StepFailed
from ..models import Workflow
from ..store.listings import failures_of_steps

_STEP_FAILED = dotted_path(StepFailed)
_GROUP = dotted_path(ExceptionGroup)


def culprit(workflow: Workflow) -> int | None:
    """The number of the first step with the error that the workflow failed with.

    ``None`` if it has not failed, or if its handler raised the error itself: then it is not a step's to mend.
    """
    error = read_failure(workflow.error, tracebacks=True) if workflow.state == WorkflowState.FAILED else None
    if error is None:
        return None
    for number, text in failures_of_steps(workflow.id):
        failure = read_failure(text)
        if failure is not None and _came_from(error, failure):
            return number
    return None


def _came_from(error: Failure, failure: Failure) -> bool:
    """Whether an error that no handler caught is that of a step."""
    if error.type == _GROUP:
        return failure.message in error.traceback
    return _STEP_FAILED in error.bases and error.type == failure.type and error.message.endswith(failure.message)
