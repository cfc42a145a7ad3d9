"""Reads rows of hand-written SQL into core's dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.journal import Failure, StepRecord, WorkflowRecord
from ..models import Event, Pool, PoolStart, Step, Worker, Workflow
from .database import read_duration, read_instant, read_uuid

WORKFLOW = Workflow._meta.db_table
STEP = Step._meta.db_table
EVENT = Event._meta.db_table
POOL = Pool._meta.db_table
POOL_START = PoolStart._meta.db_table
WORKER = Worker._meta.db_table

_READERS: dict[str, Any] = {
    "id": read_uuid,
    "parent": read_uuid,
    "due_at": read_instant,
    "cancel_requested_at": read_instant,
    "created_at": read_instant,
    "started_at": read_instant,
    "finished_at": read_instant,
    "scheduled_for": read_instant,
    "retain_for": read_duration,
    "reopened": bool,
    "has_events": bool,
}
_FIELDS = tuple(WorkflowRecord.__slots__)
_COLUMNS = {"parent": "parent_id", "blocked_message": "problem"}
WORKFLOW_COLUMNS = ", ".join(_COLUMNS.get(name, name) for name in _FIELDS)
_CONVERTED = tuple((index, _READERS[name]) for index, name in enumerate(_FIELDS) if name in _READERS)

STEP_COLUMNS = "number, kind, name, args, state, result, error, delivery, delivered_at, finished_at, due_at, function"


def workflow_record(row: Sequence[Any]) -> WorkflowRecord:
    values = list(row[: len(_FIELDS)])
    for index, read in _CONVERTED:
        values[index] = read(values[index])
    return WorkflowRecord(*values)


def step_record(row: Sequence[Any]) -> StepRecord:
    values = list(row)
    if values[6] is not None:
        values[6] = Failure.load(values[6])
    for index in (8, 9, 10):
        values[index] = read_instant(values[index])
    return StepRecord(*values)


def dump_failure(failure: Failure | None) -> str | None:
    return None if failure is None else failure.dump()
