"""One child workflow for each country, and their parent."""

import asyncio

from django_workflows import ChildWorkflowFailed, WorkflowContext, WorkflowManager
from example_project.countries.steps import save_comparison, save_country

workflow = WorkflowManager()


@workflow.define
async def country_mean(step: WorkflowContext, country: str) -> float:
    """The child: how warm a country is."""
    return await step.run_mutation(save_country, step.workflow_id, country, step.now())


@workflow.define
async def compare_countries(step: WorkflowContext, countries: list[str]) -> dict[str, float]:
    """The parent: all children at the same time. One that fails is noted, and spoils nothing."""
    problems: dict[str, str] = {}

    async def one(country: str) -> float | None:
        try:
            return await step.run_workflow(country_mean, country)
        except ChildWorkflowFailed as error:
            problems[country] = error.message
            return None

    found = await asyncio.gather(*(one(country) for country in countries))
    means = {country: mean for country, mean in zip(countries, found, strict=True) if mean is not None}
    step.logger.info("The children returned %s", means)
    await step.run_mutation(save_comparison, step.workflow_id, means, problems)
    return means
