"""A text that somebody has to approve."""

from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from django_workflows import (
    CanceledResult,
    ErrorResult,
    RetryPolicy,
    RunResult,
    SuccessResult,
    WorkflowContext,
    WorkflowManager,
    define_event,
)
from example_project.approvals.models import Request
from example_project.approvals.steps import PROPOSALS, show_proposals, write_proposals

workflow = WorkflowManager()


class Approved(BaseModel):
    approved: Literal[True] = True
    choice: int = Field(ge=0, lt=PROPOSALS)


class Rejected(BaseModel):
    approved: Literal[False] = False
    reason: str


approval = define_event("approval", Approved | Rejected)


@workflow.define
async def confirmation(step: WorkflowContext, prompt: str) -> str:
    """Have texts written, and wait until somebody has chosen one."""
    stubborn = step.with_options(retry=RetryPolicy(max_attempts=10, initial_backoff=0.1, base=1.5))
    proposals = await stubborn.run_action(write_proposals, prompt)
    await step.run_mutation(show_proposals, step.workflow_id, proposals)
    try:
        answer = await step.await_event(approval, timeout=timedelta(days=3))
    except TimeoutError:
        return "rejected: nobody answered within three days"
    if isinstance(answer, Rejected):
        return f"rejected: {answer.reason}"
    return proposals[answer.choice]


def confirmation_ended(workflow_id: UUID, result: RunResult, context: Any) -> None:
    """Notes how it ended. Runs once, in the transaction that ends the workflow."""
    match result:
        case SuccessResult(value):
            text = value
        case ErrorResult(error):
            text = error
        case CanceledResult():
            text = ""
    Request.objects.filter(workflow_id=workflow_id).update(outcome=result.kind, text=text)
