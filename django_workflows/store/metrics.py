"""Reads what metrics show, in statements whose cost does not grow with the number of stored workflows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from ..core.journal import OPEN_STATES, WorkflowState
from .database import atomic, execute, fetch_all, is_postgresql, now_sql, read_instant
from .names import names
from .rows import STEP, WORKFLOW

#: Rows are counted up to here, per definition and state.
COUNT_LIMIT = 10_000
#: Definitions that are counted.
NAME_LIMIT = 200
#: Durations are those of the newest of each definition, if they ended within the window.
DURATION_LIMIT = 200
DURATION_WINDOW = timedelta(hours=1)

#: Milliseconds that one of these statements may take on PostgreSQL.
_TIMEOUT = 5_000


@contextmanager
def bounded() -> Iterator[None]:
    """A reading transaction in which no statement takes longer than a few seconds."""
    with atomic(write=False):
        if is_postgresql():
            execute(f"SET LOCAL statement_timeout = {_TIMEOUT}")
        yield


def workflow_counts() -> Iterator[tuple[str, str, int]]:
    """(name, state, how many), counted up to ``COUNT_LIMIT``; states without any are left out."""
    some = f"SELECT 1 FROM {WORKFLOW} WHERE name = %s AND state = %s LIMIT {COUNT_LIMIT}"
    for name in names(NAME_LIMIT):
        for state in WorkflowState:
            ((count,),) = fetch_all(f"SELECT count(*) FROM ({some}) AS counted", [name, state])
            if count:
                yield name, str(state), count


def open_step_counts() -> dict[str, int]:
    """How many steps are in each open state, counted up to ``COUNT_LIMIT`` each."""
    counts = {}
    for state in sorted(OPEN_STATES):
        some = f"SELECT 1 FROM {STEP} WHERE state = '{state}' LIMIT {COUNT_LIMIT}"
        ((counts[str(state)],),) = fetch_all(f"SELECT count(*) FROM ({some}) AS counted")
    return counts


def durations() -> Iterator[tuple[str, str, list[float]]]:
    """(name, state, seconds from start to end) of the newest workflows that have ended lately."""
    since = now_sql(-DURATION_WINDOW.total_seconds())
    for name in names(NAME_LIMIT):
        for state in (WorkflowState.COMPLETED, WorkflowState.FAILED):
            rows = fetch_all(
                "SELECT started_at, finished_at FROM ("
                "SELECT COALESCE(restarted_at, started_at, created_at) AS started_at, "
                f"finished_at FROM {WORKFLOW} WHERE name = %s AND state = %s ORDER BY id DESC LIMIT {DURATION_LIMIT}) "
                f"AS newest WHERE finished_at > {since}",
                [name, state],
            )
            if rows:
                yield name, str(state), [_seconds(*row) for row in rows]


def _seconds(started_at: object, finished_at: object) -> float:
    started, finished = read_instant(started_at), read_instant(finished_at)
    assert started is not None and finished is not None
    return max(0.0, (finished - started).total_seconds())
