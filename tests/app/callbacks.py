"""What the test workflows do when they complete."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from uuid import UUID

from django_workflows import CanceledResult, ErrorResult, RunResult, SuccessResult, WorkflowManager
from tests.app.models import Effect


def remember(workflow_id: UUID, result: RunResult, context: Any) -> None:
    """Fails if it is called a second time."""
    match result:
        case SuccessResult(return_value):
            value = return_value
        case ErrorResult(error):
            value = error
        case CanceledResult():
            value = None
    Effect.objects.create(key=f"completed {workflow_id}", value=json.dumps([result.kind, value, context], default=str))


async def remember_async(workflow_id: UUID, result: RunResult, context: Any) -> None:
    await Effect.objects.acreate(key=f"completed {workflow_id}", value=json.dumps([result.kind, context]))


def remember_and_fail(workflow_id: UUID, result: RunResult, context: Any) -> None:
    remember(workflow_id, result, context)
    raise RuntimeError("the callback has failed")


def leave_transaction_broken(workflow_id: UUID, result: RunResult, context: Any) -> None:
    remember(workflow_id, result, context)
    with contextlib.suppress(Exception):
        remember(workflow_id, result, context)


def clean_up(workflow_id: UUID, result: RunResult, context: Any) -> None:
    assert WorkflowManager().cleanup(workflow_id) is True
    Effect.objects.create(key=f"cleaned up {workflow_id}")


def try_to_clean_up(workflow_id: UUID, result: RunResult, context: Any) -> None:
    cleaned = WorkflowManager().cleanup(workflow_id)
    Effect.objects.create(key=f"cleaned up {workflow_id}", value=json.dumps(cleaned))


def start_another(workflow_id: UUID, result: RunResult, context: Any) -> None:
    from tests.app.workflows import sums

    sums.with_options(idempotency_key=f"after {workflow_id}").start([1])


def exit_process(workflow_id: UUID, result: RunResult, context: Any) -> None:
    raise SystemExit(3)


#: Whether ``fails_when_told`` fails, and the workflows for which it did not.
failing: list[bool] = []
went_well: list[UUID] = []


def fails_when_told(workflow_id: UUID, result: RunResult, context: Any) -> None:
    if failing:
        raise RuntimeError("told to fail")
    went_well.append(workflow_id)
