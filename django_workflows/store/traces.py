"""Reads whole journals in short, without payloads, errors and earlier attempts, for pages that show a part of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ..core.attempts import HISTORY_COLUMNS, StepHistory
from ..core.traces import TRACE_COLUMNS, TRACE_INSTANTS, Trace, traces
from ..models import Step
from .database import alias, fetch_all, is_postgresql, put_uuid
from .rows import STEP

_TRIED_BEFORE = "failures <> '[]' OR attempt > 1 OR (attempt > 0 AND state = 'queued')"


def read_traces(workflow_id: UUID) -> list[Trace]:
    """The traces of all steps of a workflow, in order."""
    # As texts, since the drivers take longer for an instant than for all the rest of a row.
    text = "CAST({} AS text)" if is_postgresql() else "{} || '+00:00'"
    columns = ", ".join([*TRACE_COLUMNS, *map(text.format, TRACE_INSTANTS)])
    rows = fetch_all(
        f"SELECT {columns}, {_TRIED_BEFORE} FROM {STEP} WHERE workflow_id = %s ORDER BY number", [put_uuid(workflow_id)]
    )
    return list(traces(rows))


def read_histories(workflow_id: UUID, numbers: Sequence[int]) -> dict[int, StepHistory]:
    """These steps of a workflow with their attempts, by number; errors without tracebacks."""
    if not numbers:
        return {}
    rows = Step.objects.using(alias()).filter(workflow_id=workflow_id, number__in=numbers).values(*HISTORY_COLUMNS)
    return {row["number"]: StepHistory.of(row) for row in rows}


def first_steps(workflow_ids: Sequence[UUID], below: int) -> list[dict[str, Any]]:
    """The steps with a number below ``below`` of several workflows, in order: ``HISTORY_COLUMNS`` and workflow_id."""
    rows = Step.objects.using(alias()).filter(workflow_id__in=workflow_ids, number__lt=below)
    return list(rows.order_by("workflow_id", "number").values("workflow_id", *HISTORY_COLUMNS))
