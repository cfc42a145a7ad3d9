"""Writes the good ends of several steps at once, apart from any turn, on PostgreSQL: one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import DataError

from ..core.entries import StepEnd
from ..core.journal import ClaimedStep
from ..core.plain_json import size_of
from .database import Moment, clock
from .listening import telling
from .prepared import run_all
from .rows import STEP, WORKFLOW
from .step_statement import TAKEN, Ended, gathering
from .turn_sql import EPOCH_MICROSECONDS, VOID
from .turn_statement import instant_of


@dataclass(frozen=True, slots=True)
class GoodEnd:
    """A step's good end; ``here``: this worker takes the workflow's turn itself if no other step is at work."""

    step: ClaimedStep
    end: StepEnd
    here: bool


def end_many_apart(ends: Sequence[GoodEnd]) -> dict[UUID, Ended] | None:
    """Write the ends of attempts, as ``end_apart`` does; what came of it, for each workflow that is not void.

    ``None``: nothing was written, since an attempt is no longer this worker's; each end is to be written alone.
    """
    ordered = sorted(ends, key=_id)
    wait = gathering()
    values = {
        "ids": [each.step.workflow_id for each in ordered],
        "generations": [each.step.generation for each in ordered],
        "numbers": [each.end.number for each in ordered],
        "attempts": [each.end.attempt for each in ordered],
        "results": [each.end.result for each in ordered],
        "sizes": [size_of(each.end.result or "") for each in ordered],
        "alone": [TAKEN if each.here else 0.0 for each in ordered],
        "gathering": wait,
    }
    try:
        rows = run_all(_SQL.format(now=Moment().sql(), tells=telling("turn.id")), values)
    except DataError as error:
        if VOID in str(error):
            return None
        raise
    for row in rows:
        clock.read(instant_of(row[0]))
    return {row[1]: Ended(row[3], wait) for row in rows}


def _id(each: GoodEnd) -> UUID:
    return each.step.workflow_id


# Whether others are open is asked without their locks; see step_statement.
_SQL = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::uuid[], %(generations)s::int[], %(numbers)s::int[], %(attempts)s::int[],
        %(results)s::text[], %(sizes)s::int[], %(alone)s::float8[])
        AS given (g_id, g_generation, g_number, g_attempt, g_result, g_size, g_alone)
), sums AS MATERIALIZED (
    SELECT g_id, g_generation, sum(g_size) AS grown, min(g_alone) AS alone, others.open
    FROM given, LATERAL (SELECT EXISTS (SELECT FROM {STEP} WHERE workflow_id = g_id AND state IN ('queued', 'running')
        AND number <> ALL (%(numbers)s::int[])) AS open) AS others
    GROUP BY g_id, g_generation, others.open
), turn AS (
    UPDATE {WORKFLOW} AS workflow SET version = workflow.version + 1, journal_bytes = journal_bytes + grown,
        due_at = LEAST(due_at, {{now}} + (CASE WHEN open THEN %(gathering)s::float8 ELSE alone END)
            * interval '1 second')
    FROM sums WHERE workflow.id = ANY (%(ids)s::uuid[]) AND workflow.id = g_id AND generation = g_generation
        AND (workflow.state = 'in_progress') IS TRUE
    RETURNING workflow.id, workflow.version, {{now}} AS now, open
), ended AS (
    UPDATE {STEP} AS step SET state = 'completed', result = g_result, due_at = NULL, finished_at = turn.now
    FROM turn JOIN given ON g_id = turn.id
    WHERE step.workflow_id = turn.id AND number = g_number AND step.state = 'running' AND attempt = g_attempt
    RETURNING 1
)
SELECT {EPOCH_MICROSECONDS}, id,
    CASE WHEN (SELECT count(*) FROM ended) = (SELECT count(*) FROM given JOIN turn ON g_id = turn.id)
        THEN version ELSE ('{VOID} ' || version)::bigint END, open{{tells}}
FROM turn
"""
