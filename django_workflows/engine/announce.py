"""Sends the signals, after the commit of what they tell of."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.dispatch import Signal

from .. import signals
from ..core.entries import StepEnd, WorkflowEnd
from ..core.journal import FUNCTION_KINDS, ClaimedStep
from ..store.database import alias

if TYPE_CHECKING:
    from .turn import Turn


def _after_commit(signal: Signal, **values: Any) -> None:
    if signal.receivers:
        send = partial(signal.send_robust, sender=None, **values)
        transaction.on_commit(send, using=alias(), robust=True)


def workflow_started(workflow_id: UUID, name: str) -> None:
    _after_commit(signals.workflow_started, workflow_id=workflow_id, name=name)


def workflow_completed(workflow_id: UUID, name: str, ending: WorkflowEnd) -> None:
    _after_commit(signals.workflow_completed, workflow_id=workflow_id, name=name, state=ending.state)


def turn(turn: Turn, mine: ClaimedStep | None) -> None:
    """What a turn ended by itself (inline steps), and the step that its worker begins."""
    if signals.step_completed.receivers:
        for new in turn.record.new_steps:
            if new.state in ("completed", "failed") and new.kind in FUNCTION_KINDS:
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
    _step_completed(step.workflow_id, step.workflow_name, step.number, step.name, end.state, step.attempt)


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


def step_retried(step: ClaimedStep, error: str, retry_at: datetime) -> None:
    _after_commit(
        signals.step_retried,
        workflow_id=step.workflow_id,
        name=step.workflow_name,
        number=step.number,
        step=step.name,
        attempt=step.attempt,
        error=error,
        retry_at=retry_at,
    )
