"""A long operation that can be canceled, and a long job in short pieces."""

import asyncio
from typing import Any
from uuid import UUID

from django_workflows import RetryPolicy, RunResult, SuccessResult, WorkflowContext, WorkflowManager
from example_project.jobs.steps import (
    UnknownCity,
    count_lines,
    finish_year,
    read_chunk,
    remove_days,
    work_out_year,
)

workflow = WorkflowManager(max_parallelism=4, default_retry=RetryPolicy(never_on=(UnknownCity,)))
CHUNK = 25


@workflow.define
async def climate_year(step: WorkflowContext, year_id: int) -> int:
    """Work out a year's temperatures; when canceled, leave nothing behind."""
    try:
        days = await step.with_options(retry=True).run_action(work_out_year, year_id)
    except asyncio.CancelledError:
        await step.run_mutation(remove_days, year_id)
        raise
    await step.run_mutation(finish_year, year_id)
    return days


@workflow.define
async def import_cities(step: WorkflowContext, import_id: int) -> int:
    """Read a long table in pieces; after a crash it goes on with the piece that was not finished."""
    total = await step.run_mutation(count_lines, import_id)
    for start in range(0, total, CHUNK):
        await step.run_mutation(read_chunk, import_id, start, CHUNK)
    return total


def forget_import(workflow_id: UUID, result: RunResult, context: Any) -> None:
    """An ``on_complete`` that deletes the journal of an import that went well: its rows are all that counts."""
    if isinstance(result, SuccessResult):
        workflow.cleanup(workflow_id)
