"""Stores workflows that are histories of another database: to be looked at, never to be run."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError

from ..core.histories import IMPORTED, History
from ..core.journal import OPEN_STATES, StepRecord, WorkflowState
from ..core.plain_json import size_of
from ..models import Step, Workflow
from .database import alias, atomic, now
from .rows import dump_failure


def insert_imported(workflow_id: UUID, history: History, note: str) -> bool:
    """Store a history under that id, as a workflow that has ended, with that note for people; False if the id is taken.

    One that was in progress is stored as canceled, with its open steps, so that no worker and no verb takes it for one
    that can be run.
    """
    at = now()
    ended = history.state != WorkflowState.IN_PROGRESS
    workflow = Workflow(
        id=workflow_id,
        name=history.name,
        state=history.state if ended else WorkflowState.CANCELED,
        args=history.args,
        result=history.result,
        error=dump_failure(history.error),
        blocked_message=note,
        delivered=sum(step.delivery is not None for step in history.steps),
        queue=IMPORTED,
        context=history.dump(),
        continuations=history.continuations,
        logic=history.logic,
        generation=1 + history.continuations,
        canceled_at_delivery=history.canceled_at_delivery,
        created_at=history.started_at or at,
        scheduled_for=history.scheduled_for,
        started_at=history.started_at,
        finished_at=at,
    )
    workflow.journal_bytes = size_of(history.args) + sum(
        size_of(step.args) + size_of(step.result or "") for step in history.steps
    )
    try:
        with atomic():
            workflow.save(force_insert=True, using=alias())
            Step.objects.using(alias()).bulk_create(
                [_row(workflow, step, at) for step in history.steps], batch_size=500
            )
    except IntegrityError:
        if Workflow.objects.using(alias()).filter(id=workflow_id).exists():
            return False
        raise
    return True


def _row(workflow: Workflow, step: StepRecord, at: datetime) -> Step:
    finished_at = step.finished_at or at
    begun = min(step.delivered_at or finished_at, finished_at)
    return Step(
        workflow=workflow,
        number=step.number,
        kind=step.kind,
        name=step.name,
        function=step.function,
        args=step.args,
        state="canceled" if step.state in OPEN_STATES else step.state,
        attempt=1 if step.error is None else step.error.attempts,
        result=step.result,
        error=dump_failure(step.error),
        delivery=step.delivery,
        delivered_at=step.delivered_at,
        created_at=begun,
        queued_at=begun,
        finished_at=finished_at,
    )
