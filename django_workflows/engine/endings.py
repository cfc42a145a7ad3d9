"""Turns the way in which a handler ended into the end of its workflow."""

from __future__ import annotations

from typing import Any

from ..conf import settings
from ..core.commands import Ending, Raised, Succeeded, Withdrawn
from ..core.definitions import Definition
from ..core.entries import WorkflowEnd
from ..core.journal import Failure, WorkflowState
from ..core.outcomes import failure_of, with_steps
from ..exceptions import ContinueAsNew, InvalidPayload
from .guard import explained
from .interruptions import interruption


def workflow_end(ending: Ending, definition: Definition[Any, Any], *, canceled: bool) -> WorkflowEnd:
    """``canceled``: somebody asked for the workflow to be canceled, so a handler that ends by it was canceled."""
    if isinstance(ending, Succeeded):
        return _success(ending.value, definition)
    if canceled and isinstance(ending, Raised) and isinstance(ending.error, ContinueAsNew):
        return WorkflowEnd(WorkflowState.CANCELED)
    if isinstance(ending, Raised):
        failure = failure_of(explained(ending.error), skip_frames=1)
        return WorkflowEnd(WorkflowState.FAILED, error=with_steps(failure, ending.error))
    assert isinstance(ending, Withdrawn)
    if canceled:
        return WorkflowEnd(WorkflowState.CANCELED)
    message = "the handler canceled itself; nobody had asked for it"
    return WorkflowEnd(WorkflowState.FAILED, error=Failure("asyncio.exceptions.CancelledError", message))


def _success(value: Any, definition: Definition[Any, Any]) -> WorkflowEnd:
    what = f"result of workflow {definition.name}"
    try:
        text, _ = definition.signature.result.encode_checked(value, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
    except BaseException as error:  # a serializer of the user's may raise what is no Exception
        if interruption(error) is not None or (isinstance(error, Exception) and not isinstance(error, InvalidPayload)):
            raise
        return WorkflowEnd(WorkflowState.FAILED, error=failure_of(error))
    return WorkflowEnd(WorkflowState.COMPLETED, result=text)
