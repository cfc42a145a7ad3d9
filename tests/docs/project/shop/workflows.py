"""The workflow that the documentation's examples start."""

from datetime import timedelta

from django_workflows import RetryPolicy, WorkflowContext, WorkflowManager, define_event
from shop.steps import charge_card, reserve_stock, send_receipt, send_survey

workflow = WorkflowManager(default_retry=RetryPolicy(max_attempts=5, initial_backoff=0.5))
approval = define_event("approval", bool)


@workflow.define
async def fulfil(step: WorkflowContext, order_id: int) -> str:
    """Reserve, charge, and ask how it was."""
    total = await step.run_mutation(reserve_stock, order_id)
    receipt = await step.with_options(retry=True).run_action(charge_card, order_id, total)
    await step.run_action(send_receipt, order_id, receipt)
    await step.sleep(timedelta(days=7))
    await step.run_action(send_survey, order_id)
    return receipt
