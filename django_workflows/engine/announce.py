"""Sends the signals, and writes the log of what goes well or wrong, after the commit of what they tell of."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.dispatch import Signal

from .. import signals
from ..core.entries import StepEnd, WorkflowEnd
from ..core.excerpts import one_line
from ..core.journal import FUNCTION_KINDS, ClaimedStep, Failure, StepState, WorkflowRecord, WorkflowState
from ..core.timeline import human
from ..store.after_commit import after_commit
from ..store.database import alias, clock
from ..store.session import guard
from .inside import concerning
from .interruptions import interruption
from .log_fields import of_attempt, of_step, of_workflow

if TYPE_CHECKING:
    from .turn import Turn


logger = logging.getLogger("django_workflows")

#: Characters of an error's message in a line of the log; the journal has all of it.
_MESSAGE = 500
#: A step that took so long is told of at INFO, also where it completed.
_SLOW = timedelta(seconds=1)


signals.comes_from_outside = lambda error: interruption(error) is not None


def _after_commit(signal: Signal, **values: Any) -> None:
    if signal.receivers:
        after_commit(partial(_send, signal, values))


def _send(signal: Signal, values: Mapping[str, Any]) -> None:
    """Send it. Receivers see the context variables of whoever is here, and change none of them."""
    try:
        copy_context().run(_send_concerning, signal, values)
    except BaseException as error:
        if interruption(error) is not None:
            raise
        about = of_workflow(values["workflow_id"], values["name"])
        logger.exception("A signal could not be sent to all of its receivers", extra=about)


def _send_concerning(signal: Signal, values: Mapping[str, Any]) -> None:
    # What a receiver does to the session is undone like what a step does.
    with guard(alias(), bound=False), concerning(values["workflow_id"]):
        signal.send_robust(sender=None, **values)


def _log(level: int, about: Mapping[str, Any], message: str, *args: object) -> None:
    if logger.isEnabledFor(level):
        after_commit(partial(logger.log, level, message, *args, extra=about))


def _after(began: datetime) -> str:
    return f" after {human(clock.estimate() - began)}"


def _words(failure: Failure | None) -> str:
    return "no error is known" if failure is None else one_line(f"{failure.type}: {failure.message}", _MESSAGE)


def workflow_started(workflow_id: UUID, name: str) -> None:
    _log(logging.DEBUG, of_workflow(workflow_id, name), "Workflow %s %s is started", name, workflow_id)
    _after_commit(signals.workflow_started, workflow_id=workflow_id, name=name)


def workflow_completed(
    workflow: WorkflowRecord, ending: WorkflowEnd, untaken: Mapping[str, int], never: Mapping[int, str]
) -> None:
    """``untaken`` counts events that were sent and not taken, by name; ``never`` are steps that were never awaited."""
    workflow_id, name = workflow.id, workflow.name
    about = of_workflow(workflow_id, name)
    # Since the start: what passed between two runs of one that was restarted is no part of it.
    first_run = workflow.generation == 1 + workflow.continuations
    took = _after(workflow.created_at) if first_run and logger.isEnabledFor(logging.INFO) else ""
    if ending.state == WorkflowState.FAILED:
        _log(logging.WARNING, about, "Workflow %s %s failed%s: %s", name, workflow_id, took, _words(ending.error))
    else:
        _log(logging.INFO, about, "Workflow %s %s is %s%s", name, workflow_id, ending.state, took)
    never_awaited(workflow_id, name, never, "is completed")
    if untaken:
        message = "Workflow %s %s is %s, and events were sent to it that it never took: %s. They are kept with it"
        names = ", ".join(f"{event} ({count})" for event, count in untaken.items())
        _log(logging.WARNING, about, message, name, workflow_id, ending.state, one_line(names, _MESSAGE))
    _after_commit(
        signals.workflow_completed,
        workflow_id=workflow_id,
        name=name,
        state=ending.state,
        untaken_events=dict(untaken),
        never_awaited=list(never.values()),
    )


def never_awaited(workflow_id: UUID, name: str, never: Mapping[int, str], how: str) -> None:
    """Warn of steps whose call was never awaited."""
    if not never:
        return
    steps = ", ".join(f"step {number} ({step})" for number, step in never.items())
    message = (
        "Workflow %s %s %s, and never awaited %s. What of it had not ended is canceled: write await before the call, "
        "or give it to asyncio.gather"
    )
    about = of_workflow(workflow_id, name)
    _log(logging.WARNING, about, message, name, workflow_id, how, one_line(steps, _MESSAGE))


def turn(turn: Turn, mine: ClaimedStep | None) -> None:
    """What a turn ended by itself (inline steps), and the step that its worker begins."""
    if signals.step_completed.receivers or logger.isEnabledFor(logging.INFO):
        for new in turn.record.new_steps:
            if new.state in ("completed", "failed") and new.kind in FUNCTION_KINDS:
                inline = of_attempt(turn.workflow.id, turn.definition.name, new.number, new.name, 1)
                _log_step_end(inline, new.state, new.error)
                _step_completed(turn.workflow.id, turn.definition.name, new.number, new.name, new.state, 1)
    if mine is not None:
        step_started(mine)


def step_started(step: ClaimedStep) -> None:
    _after_commit(
        signals.step_started,
        workflow_id=step.workflow_id,
        name=step.workflow_name,
        number=step.number,
        step=step.name,
        attempt=step.attempt,
    )


def step_completed(step: ClaimedStep, end: StepEnd) -> None:
    if logger.isEnabledFor(logging.INFO):
        _log_step_end(of_step(step), end.state, end.error, step.started_at)
    _step_completed(step.workflow_id, step.workflow_name, step.number, step.name, end.state, step.attempt)


def _log_step_end(about: Mapping[str, Any], state: str, failure: Failure | None, began: datetime | None = None) -> None:
    """A step that completed is told of at INFO where it took long: of thousands a second each line would be felt."""
    took = timedelta() if began is None else clock.estimate() - began
    slow = took >= _SLOW
    if state != StepState.FAILED and not slow and not logger.isEnabledFor(logging.DEBUG):
        return
    place = [about[key] for key in ("step_number", "step", "workflow", "workflow_id", "attempt")]
    after = "" if began is None else f" after {human(took)}"
    if state == StepState.FAILED:
        _log(logging.INFO, about, "Step %d (%s) of %s %s failed at attempt %d%s: %s", *place, after, _words(failure))
    else:
        level = logging.INFO if slow else logging.DEBUG
        _log(level, about, "Step %d (%s) of %s %s is completed, at attempt %d%s", *place, after)


def _step_completed(workflow_id: UUID, name: str, number: int, step: str, state: str, attempt: int) -> None:
    _after_commit(
        signals.step_completed,
        workflow_id=workflow_id,
        name=name,
        number=number,
        step=step,
        state=state,
        attempt=attempt,
    )


def step_retried(step: ClaimedStep, failure: Failure, retry_at: datetime) -> None:
    if logger.isEnabledFor(logging.INFO):
        about, error = of_step(step), _words(failure)
        message = "Step %d (%s) of %s %s failed at attempt %d, and is tried again at %s: %s"
        place = (step.number, step.name, step.workflow_name, step.workflow_id, step.attempt, retry_at.isoformat())
        _log(logging.INFO, about, message, *place, error)
    _after_commit(
        signals.step_retried,
        workflow_id=step.workflow_id,
        name=step.workflow_name,
        number=step.number,
        step=step.name,
        attempt=step.attempt,
        error=failure.message,
        retry_at=retry_at,
    )
