"""What a workflow's end brings about, in the transaction that ends it: its callback, and its parent's step."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist

from ..conf import settings
from ..core.entries import StepEnd, WorkflowEnd
from ..core.journal import Failure, StepState, WorkflowRecord, WorkflowState
from ..core.outcomes import CANCELED_TYPE, failure_of
from ..core.registry import registry
from ..core.status import CanceledResult, ErrorResult, RunResult, SuccessResult
from ..store import continuations, families, journals, workflows
from ..store import events as event_store
from ..store.database import alias
from ..store.plain import hook_count
from ..store.repeats import RunAgain, may_repeat
from ..store.session import guard
from ..store.transient import is_transient
from . import announce, tracing
from .callbacks import find_callback
from .captured import applied
from .dispatch import wake
from .hooks import keep_hooks
from .inside import concerning
from .interruptions import interruption
from .invoke import call, users_savepoint
from .log_fields import of_workflow
from .variables import own_variables

logger = logging.getLogger("django_workflows")

#: So many steps that were never awaited are kept with a workflow.
_KEPT = 1000
#: Errors of callbacks, by workflow and generation, that are stored when their turn is taken again, without a call.
_given_up: dict[tuple[UUID, int], str] = {}


def complete(
    workflow: WorkflowRecord, ending: WorkflowEnd, now: datetime, never_awaited: Mapping[int, str] | None = None
) -> None:
    """Run the callback and tell the parent, and everybody of what was forgotten. The workflow's row shows its end.

    ``never_awaited`` are the steps that its function asked for and never awaited: their names by number.
    """
    never = never_awaited or {}
    if never:
        workflows.note_never_awaited(workflow.id, json.dumps(list(never.items())[:_KEPT]))
    untaken = event_store.untaken(workflow.id) if workflow.has_events else {}
    announce.workflow_completed(workflow, ending, untaken, never)
    if workflow.on_complete:
        run_on_complete(workflow, ending)
    # Asked anew: a parent that continued as new has other steps under the same numbers.
    if workflow.parent is not None and workflow.parent_step is not None and continuations.has_parent(workflow.id):
        _tell_parent(workflow, ending, now)


def run_on_complete(workflow: WorkflowRecord, ending: WorkflowEnd) -> bool:
    """Call ``on_complete`` in a savepoint, and in a ``contextvars.Context`` of its own.

    An error in it is stored and logged, and changes nothing else.
    """
    given_up = _given_up.pop((workflow.id, workflow.generation), None)
    if given_up is not None:
        workflows.set_on_complete_error(workflow.id, given_up)
        return False
    variables, hooks, about = own_variables(), hook_count(), of_workflow(workflow.id, workflow.name)
    try:
        variables.run(_call_back, workflow, ending)
    except BaseException as error:
        transient = is_transient(error)
        if interruption(error) is not None or (transient and not _is_last(workflow)):
            raise
        logger.exception(
            "on_complete %s of %s %s failed", workflow.on_complete, workflow.name, workflow.id, extra=about
        )
        failure = failure_of(error, skip_frames=2).dump()
        if transient:
            _given_up[workflow.id, workflow.generation] = failure
            raise RunAgain from None  # of the present transaction nothing may be left
        workflows.set_on_complete_error(workflow.id, failure)
        return False
    keep_hooks(hooks, variables, workflow.id, workflow.captured, about, "on_complete")
    return True


def _call_back(workflow: WorkflowRecord, ending: WorkflowEnd) -> None:
    with tracing.calling_back(workflow), users_savepoint(), concerning(workflow.id):
        callback = find_callback(workflow.id, workflow.on_complete, workflow.on_complete_seal)
        context = None if workflow.context is None else json.loads(workflow.context)
        with guard(alias(), bound=True), applied(workflow.captured):
            call(callback, (workflow.id, run_result(workflow, ending), context), {})


def _is_last(workflow: WorkflowRecord) -> bool:
    return workflow.deliveries >= settings.MAX_DELIVERIES and may_repeat()


def run_result(workflow: WorkflowRecord, ending: WorkflowEnd) -> RunResult:
    """The end of a workflow, as its callback gets it."""
    if ending.state == WorkflowState.COMPLETED:
        return SuccessResult(decode_result(workflow.name, ending.result))
    if ending.state == WorkflowState.FAILED and ending.error is not None:
        return ErrorResult(ending.error.message, ending.error.type)
    return CanceledResult()


def decode_result(name: str, text: str | None) -> Any:
    """A workflow's result as the annotated type, or as plain JSON where its code is not known here."""
    if text is None:
        return None
    definition = registry.get(name)
    if definition is None:
        return json.loads(text)
    codec = definition.signature.result
    try:
        return codec.decode(text)
    except ObjectDoesNotExist:  # the row is gone, and what is left is which one it was
        return codec.for_workflows.decode(text)


def _tell_parent(child: WorkflowRecord, ending: WorkflowEnd, now: datetime) -> None:
    assert child.parent is not None and child.parent_step is not None
    locked = families.lock_parent(child.parent)
    if locked is None:
        return
    # The numbers of its steps are not the parent's.
    failure = None if ending.error is None else replace(ending.error, steps=())
    if ending.state == WorkflowState.CANCELED:
        failure = Failure(CANCELED_TYPE, f"the child workflow {child.name} was canceled")
    state = StepState.COMPLETED if failure is None else StepState.FAILED
    if journals.end_wait(child.parent, StepEnd(child.parent_step, state, ending.result, failure), now):
        workflows.make_due(child.parent)
        wake(locked[0].queue)
