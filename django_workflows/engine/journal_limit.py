"""Ends a workflow whose journal becomes too large, and says so of one that is about to."""

from __future__ import annotations

import logging

from ..conf import settings
from ..core.codec import PREVIEW_BYTES
from ..core.entries import TurnRecord, WorkflowEnd
from ..core.journal import StepState, WorkflowRecord, WorkflowState
from ..core.outcomes import failure_of
from ..core.plain_json import size_of
from ..exceptions import JournalTooLarge
from .log_fields import of_workflow

logger = logging.getLogger("django_workflows")


def keep_within_limit(record: TurnRecord, workflow: WorkflowRecord) -> None:
    """Apply ``MAX_JOURNAL_BYTES`` to a turn that is about to be written."""
    size, limit = workflow.journal_bytes + record.grown_bytes, settings.MAX_JOURNAL_BYTES
    if size > limit:
        last = record.new_steps[-1].name if record.new_steps else "its last step"
        error = JournalTooLarge(
            f"the journal of {workflow.name} is {size:,} bytes at {last}, above MAX_JOURNAL_BYTES "
            f"({limit:,}).{_largest(record)} Keep large values in your own tables and pass their ids, or split the "
            "workflow."
        )
        record.ending = WorkflowEnd(WorkflowState.FAILED, error=failure_of(error))
        _shrink(record)
    elif size > 0.8 * limit:
        message = "The journal of %s %s is %d bytes, %d %% of MAX_JOURNAL_BYTES."
        name, found = workflow.name, workflow.id
        logger.warning(message, name, found, size, 100 * size // limit, extra=of_workflow(found, name))


def _largest(record: TurnRecord) -> str:
    """The largest value that this turn adds, for people to recognise it."""
    values = [(f"the argument text of step {new.number} ({new.name})", new.args) for new in record.new_steps]
    values += [(f"the result of step {new.number} ({new.name})", new.result or "") for new in record.new_steps]
    values += [(f"the result of step {end.number}", end.result or "") for end in record.step_ends]
    what, text = max(values, key=lambda value: len(value[1]), default=("", ""))
    if not text:
        return ""
    return (
        f" The largest of what came now is {what}: {size_of(text):,} bytes, beginning with {text[:PREVIEW_BYTES]} ..."
    )


def _shrink(record: TurnRecord) -> None:
    """What a journal that is too large asked for is not begun any more."""
    record.children = []
    for new in record.new_steps:
        if new.state in (StepState.QUEUED, StepState.WAITING):
            new.state, new.delay, new.run_at = StepState.CANCELED, None, None
