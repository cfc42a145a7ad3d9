"""A series of e-mails: at once, after an hour, a day and a week, and at New Year."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from django_workflows import RetryPolicy, RunResult, WorkflowContext, WorkflowManager
from example_project.series.models import Subscription
from example_project.series.steps import send_once

workflow = WorkflowManager(
    retry_actions_by_default=True,
    default_retry=RetryPolicy(max_attempts=10, initial_backoff=timedelta(seconds=5), base=3),
)


@workflow.define
async def mail_series(step: WorkflowContext, name: str, email: str) -> None:
    """Five mails; each one's delay begins when the one before has been sent."""
    await step.run_action(send_once, name, email, "Welcome")
    in_an_hour = step.with_options(run_after=timedelta(hours=1), name="first steps")
    await in_an_hour.run_action(send_once, name, email, "First steps")
    in_a_day = step.with_options(run_after=timedelta(days=1), name="second day")
    await in_a_day.run_action(send_once, name, email, "How is it going?")
    in_a_week = step.with_options(run_after=timedelta(days=7), name="first week")
    await in_a_week.run_action(send_once, name, email, "Your week")
    at_new_year = step.with_options(run_at=datetime(step.now().year + 1, 1, 1, tzinfo=UTC), name="new year")
    await at_new_year.run_action(send_once, name, email, "Happy New Year")


def subscribe(name: str, email: str) -> UUID:
    """Start the series; the id of the running one, if this address gets it already."""
    with transaction.atomic():
        asked = mail_series.with_options(key=email, on_complete=series_ended)
        workflow_id = asked.start(name, email)
        values = {"name": name, "workflow_id": workflow_id, "ended": ""}
        Subscription.objects.update_or_create(email=email, defaults=values)
    return workflow_id


def unsubscribe(email: str) -> None:
    """Cancel the series: what has not been sent will not be."""
    workflow.cancel(Subscription.objects.get(email=email).workflow_id)


def series_ended(workflow_id: UUID, result: RunResult, context: Any) -> None:
    """Notes how a series ended. Runs once, in the transaction that ends the workflow."""
    Subscription.objects.filter(workflow_id=workflow_id).update(ended=result.kind)
