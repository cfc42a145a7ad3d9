"""The onboarding of a member, and the refinement of a greeting as a workflow of its own."""

from datetime import timedelta

from pydantic import BaseModel, Field

from django_workflows import RetryPolicy, WorkflowContext, WorkflowManager, define_event
from example_project.onboarding.steps import (
    ask_editor,
    close_refinement,
    mark_verified,
    save_greeting,
    send_follow_up,
    send_verification_email,
    write_greeting,
)

workflow = WorkflowManager(default_retry=RetryPolicy(max_attempts=5, initial_backoff=0.2, base=2))


class Verification(BaseModel):
    verified: bool


class Refined(BaseModel):
    text: str = Field(min_length=1, max_length=2000)


verification = define_event("verificationEmail", Verification)
refined = define_event("refined", Refined)


class EmailNotVerified(Exception):
    """The owner of the address did not sign up."""


@workflow.define
async def user_onboarding(step: WorkflowContext, member_id: int) -> str:
    """Verify the address, greet, follow up a day later; returns the greeting."""
    patient = step.with_options(retry=True)
    status = await patient.run_action(send_verification_email, member_id, step.workflow_id)
    if status == "needs_verification":
        answer = await step.await_event(verification)
        if not answer.verified:
            raise EmailNotVerified("The owner of the address did not sign up.")
        await step.run_mutation(mark_verified, member_id)

    draft = await patient.run_action(write_greeting, member_id)
    text = draft.text
    if draft.needs_human_input:
        text = await step.run_workflow(refine_greeting, member_id, text)
    await step.run_mutation(save_greeting, member_id, text)

    await patient.with_options(run_after=timedelta(days=1)).run_action(send_follow_up, member_id)
    return text


@workflow.define(retry_actions_by_default=False)
async def refine_greeting(step: WorkflowContext, member_id: int, draft: str) -> str:
    """Have an editor improve a draft; the draft itself, if nobody does within three days."""
    await step.run_mutation(ask_editor, step.workflow_id, member_id, draft)
    try:
        answer = await step.await_event(refined, timeout=timedelta(days=3))
    except TimeoutError:
        text = draft
    else:
        text = answer.text
    await step.run_mutation(close_refinement, step.workflow_id, text)
    return text
