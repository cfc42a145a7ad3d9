"""The weather workflow: look up a city, ask for its temperature, save the report."""

import logging
from typing import Any
from uuid import UUID

from django.utils import timezone

from django_workflows import (
    CanceledResult,
    ErrorResult,
    RetryPolicy,
    RunResult,
    SuccessResult,
    WorkflowContext,
    WorkflowManager,
)
from example_project.weather.models import Lookup
from example_project.weather.steps import CityNotFound, WeatherReport, get_geocoding, get_weather, save_report

logger = logging.getLogger(__name__)

workflow = WorkflowManager(
    max_parallelism=10,
    retry_actions_by_default=True,
    default_retry=RetryPolicy(max_attempts=3, initial_backoff=0.1, base=2, never_on=(CityNotFound,)),
)


@workflow.define
async def weather_report(step: WorkflowContext, location: str = "San Francisco") -> WeatherReport:
    """How warm it is in a city right now."""
    place = await step.run_action(get_geocoding, location)
    celsius = await step.run_action(get_weather, latitude=place.latitude, longitude=place.longitude)
    report = WeatherReport(place.name, place.country, celsius)
    await step.run_mutation(save_report, step.workflow_id, report)
    return report


def flow_completed(workflow_id: UUID, result: RunResult, context: Any) -> None:
    """Notes how a lookup ended. Runs once, in the transaction that completes the workflow."""
    match result:
        case SuccessResult(report):
            detail = f"{report.temperature} °C"
        case ErrorResult(error):
            detail = error
        case CanceledResult():
            detail = ""
    Lookup.objects.filter(workflow_id=workflow_id).update(
        outcome=result.kind, detail=detail, finished_at=timezone.now()
    )
    logger.info("Report for %s: %s %s", context["city"], result.kind, detail)
