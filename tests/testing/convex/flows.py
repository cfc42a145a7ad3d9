"""The examples of Convex's guide to workflows, each as a user of this package writes it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

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
from tests.testing.convex import steps
from tests.testing.convex.steps import Forecast, note

workflow = WorkflowManager(
    max_parallelism=10,
    default_retry=RetryPolicy(max_attempts=3, initial_backoff=0.1, base=2),
)
eager = WorkflowManager(
    max_parallelism=10,
    retry_actions_by_default=True,
    default_retry=RetryPolicy(max_attempts=5, initial_backoff=timedelta(milliseconds=200), base=2),
)

# -- basic structure


@workflow.define
async def example_workflow(step: WorkflowContext, location: str = "San Francisco") -> Forecast:
    place = await step.with_options(retry=True).run_action(steps.get_geocoding, location)
    weather = await step.run_action(steps.get_weather, latitude=place.latitude, longitude=place.longitude)
    forecast = Forecast(place.name, weather.temperature)
    await step.run_mutation(steps.update_flow, step.workflow_id, forecast)
    return forecast


# -- completion callbacks


def flow_completed(workflow_id: UUID, result: RunResult, context: Any) -> None:
    about = [context["location"], context["user_id"]]
    match result:
        case SuccessResult(return_value):
            note(f"result {workflow_id}", ["success", return_value.name, return_value.temperature, *about])
        case ErrorResult(error):
            note(f"result {workflow_id}", ["failed", error, *about])
        case CanceledResult():
            note(f"result {workflow_id}", ["canceled", *about])


def completed_and_cleaned_up(workflow_id: UUID, result: RunResult, context: Any) -> None:
    flow_completed(workflow_id, result, context)
    note(f"cleaned {workflow_id}", workflow.cleanup(workflow_id))


# -- events


class Approved(BaseModel):
    approved: Literal[True]
    choice: int


class Rejected(BaseModel):
    approved: Literal[False]
    reason: str


# Not only "approval": in the tests' process other flows have events of that name, of other types.
approval = define_event("convex approval", Approved | Rejected)


@workflow.define
async def confirmation_workflow(step: WorkflowContext, prompt: str) -> str:
    proposals = await step.with_options(retry=True).run_action(steps.generate_proposals, prompt)
    answer = await step.await_event(approval)
    if isinstance(answer, Rejected):
        return "rejected: " + answer.reason
    return proposals[answer.choice]


# -- nested


@workflow.define
async def child_workflow(step: WorkflowContext, data: str) -> int:
    await step.run_mutation(steps.process, data)
    return len(data)


@workflow.define
async def parent_workflow(step: WorkflowContext, text: str) -> None:
    length = await step.run_workflow(child_workflow, text)
    await step.run_mutation(steps.complete, length)


# -- scheduled steps

NEW_YEAR = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)


@workflow.define
async def scheduled_workflow(step: WorkflowContext, user_id: int, last: datetime = NEW_YEAR) -> None:
    await step.run_mutation(steps.send_mail, "welcome", user_id)
    await step.with_options(run_after=timedelta(hours=1)).run_mutation(steps.send_mail, "follow-up 1", user_id)
    await step.with_options(run_after=timedelta(days=1)).run_mutation(steps.send_mail, "follow-up 2", user_id)
    await step.with_options(run_after=timedelta(days=7)).run_mutation(steps.send_mail, "digest", user_id)
    await step.with_options(run_at=last).run_mutation(steps.send_mail, "new year", user_id)


# -- retries


@eager.define
async def by_the_managers_default(step: WorkflowContext) -> str:
    return await step.run_action(steps.unreliable, "default")


@eager.define(retry_actions_by_default=False)
async def overrides_the_manager(step: WorkflowContext) -> str:
    return await step.run_action(steps.unreliable, "override")


@eager.define
async def step_without_retry(step: WorkflowContext) -> str:
    return await step.with_options(retry=False).run_action(steps.unreliable, "once")


@eager.define
async def step_with_its_own(step: WorkflowContext) -> str:
    policy = RetryPolicy(max_attempts=10, initial_backoff=0.5, base=1.5)
    return await step.with_options(retry=policy).run_action(steps.unreliable, "own")


@eager.define(retry_actions_by_default=False)
async def step_asks_for_the_default(step: WorkflowContext) -> str:
    return await step.with_options(retry=True).run_action(steps.unreliable, "asked for")


# -- onboarding


class Verification(BaseModel):
    verified: bool


verification = define_event("convex verificationEmail", Verification)


@workflow.define
async def refine_content(step: WorkflowContext, user_id: int) -> str:
    return await step.run_mutation(steps.refine, user_id)


@workflow.define
async def user_onboarding(step: WorkflowContext, user_id: int) -> None:
    if await step.run_mutation(steps.send_verification_email, user_id) == "needsVerification":
        answer = await step.await_event(verification)
        if not answer.verified:
            raise RuntimeError("Email verification failed")
    draft = await step.with_options(retry=True).run_action(steps.generate_custom_content, user_id)
    if draft.needs_human_input:
        await step.run_workflow(refine_content, user_id)
    await step.with_options(run_after=timedelta(days=1)).run_mutation(steps.send_mail, "follow-up", user_id)


# -- best practices


@workflow.define
async def paying(step: WorkflowContext, order_id: int, amount: int) -> steps.Payment:
    return await step.run_mutation(steps.process_payment, order_id, amount)


@workflow.define
async def long_workflow(step: WorkflowContext, job_id: int) -> None:
    for chunk in range(100):
        await step.run_mutation(steps.process_chunk, job_id, chunk)
        await step.run_mutation(steps.update_progress, job_id, (chunk + 1) / 100)


@workflow.define
async def cancelable_workflow(step: WorkflowContext, job_id: int) -> None:
    try:
        await step.run_action(steps.long_operation, job_id)
    except asyncio.CancelledError:
        await step.run_mutation(steps.clean_up_after, job_id)
        raise
