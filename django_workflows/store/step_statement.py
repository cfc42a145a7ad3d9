"""Writes the end of a step apart from any turn on PostgreSQL: one statement, which needs no transaction around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import DataError

from ..core.entries import StepEnd
from ..core.journal import ClaimedStep
from ..core.plain_json import size_of
from . import database
from .database import Moment, clock
from .listening import telling
from .prepared import run_one
from .rows import STEP, WORKFLOW, dump_failure
from .turn_sql import EPOCH_MICROSECONDS, VOID
from .turn_statement import instant_of

#: Seconds for which the turn of a workflow that has more steps at work is put off, so that many ends make one turn.
_GATHERING = 0.005
#: Seconds after which anyone may take a turn that this worker takes at once.
TAKEN = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of the end of a step. ``due_in``: seconds until the turn it brings about; none was told of it."""

    others_open: bool
    due_in: float


def gathering() -> float:
    """Seconds for which the turn of a workflow that has more steps at work is put off."""
    return 0.0 if database.frozen_at is not None else _GATHERING


def end_apart(step: ClaimedStep, end: StepEnd, *, here: bool) -> Ended | None:
    """Write the end of an attempt, and make the workflow's turn due; ``None`` if the attempt or workflow is void.

    While the workflow has other steps at work the turn is due in a moment. ``here``: if it has none, this worker takes
    the turn itself.
    """
    wait = gathering()
    values: dict[str, Any] = {
        "id": step.workflow_id,
        "generation": step.generation,
        "grown": size_of(end.result or ""),
        "number": end.number,
        "attempt": end.attempt,
        "state": str(end.state),
        "result": end.result,
        "error": dump_failure(end.error),
        "gathering": wait,
        "alone": TAKEN if here else 0.0,
    }
    try:
        row = run_one(_SQL.format(now=Moment().sql(), tells=telling("%(id)s::uuid")), values)
    except DataError as error:
        if VOID in str(error):
            return None
        raise
    if row is None:
        return None
    clock.read(instant_of(row[0]))
    return Ended(row[2], wait)


# Whether others are open is asked without their locks, so two that end together may each take the other to be open.
# Then the turn is due all the same, only a moment later.
_SQL = f"""
WITH turn AS (
    UPDATE {WORKFLOW} SET version = version + 1, journal_bytes = journal_bytes + %(grown)s,
        due_at = LEAST(due_at, {{now}} + (CASE WHEN others.open THEN %(gathering)s::float8 ELSE %(alone)s::float8 END)
            * interval '1 second')
    FROM (SELECT EXISTS (SELECT FROM {STEP} WHERE workflow_id = %(id)s AND number <> %(number)s
        AND state IN ('queued', 'running')) AS open) AS others
    WHERE id = %(id)s AND generation = %(generation)s AND state = 'in_progress'
    RETURNING version, {{now}} AS now, others.open
), ended AS (
    UPDATE {STEP} SET state = %(state)s, result = %(result)s, error = %(error)s, due_at = NULL, finished_at = turn.now
    FROM turn WHERE workflow_id = %(id)s AND number = %(number)s AND {STEP}.state = 'running' AND attempt = %(attempt)s
    RETURNING 1
)
SELECT {EPOCH_MICROSECONDS},
    CASE WHEN EXISTS (SELECT FROM ended) THEN version ELSE ('{VOID} ' || version)::bigint END, open{{tells}}
FROM turn
"""
