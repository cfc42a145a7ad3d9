"""Reads a workflow with its journal for people to look at; large columns only when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..core.attempts import HISTORY_COLUMNS, StepHistory
from ..core.journal import OPEN_STATES, WorkflowState
from ..core.traces import Told
from ..core.waiting import Wait, WaitKind, waits
from ..models import Workflow
from ..store import steps as step_store
from ..store import workers, workflows
from ..store.blocked import blocked_of
from ..store.database import now
from .invoke import read_only
from .observe import not_found

#: So many children have their steps shown below them.
NESTED = 10
_PAYLOADS = ("function", "args", "result")


@dataclass(frozen=True)
class Journal:
    """A workflow and its steps, read at ``now``.

    ``payloads`` holds function, arguments and result of the steps by number, as JSON texts, if they were asked for;
    ``children`` the ids of child workflows by the number of their step. ``silence`` says how long no worker has been
    heard of, in seconds, for each queue that the workflow needs one of; ``None`` is never.
    """

    workflow: Workflow
    steps: list[StepHistory]
    now: datetime
    children: Mapping[int, UUID]
    waits: list[Wait]
    silence: Mapping[str, float | None]
    payloads: Mapping[int, Mapping[str, Any]]


def find(workflow_id: UUID) -> Workflow:
    """The workflow; ``WorkflowNotFound`` if there is none of that id."""
    found = workflows.queryset().filter(id=workflow_id).first()
    if found is None:
        raise not_found(workflow_id)
    return found


def load(workflow_id: UUID, *, everything: bool) -> Journal:
    """A workflow's journal as it was at one moment; ``everything``: with payloads and tracebacks."""
    with read_only():
        return _load(find(workflow_id), now(), everything)


def open_steps(workflow_id: UUID, limit: int | None = None) -> list[StepHistory]:
    """The steps that have not ended, in order, at most ``limit`` of them."""
    rows = step_store.queryset(workflow_id).filter(state__in=OPEN_STATES).values(*HISTORY_COLUMNS)
    return [StepHistory.of(row) for row in rows[:limit]]


def waits_of(workflow: Workflow, steps: Iterable[Told], read_at: datetime) -> list[Wait]:
    """What a workflow waits for, of which at least the open steps are given; nothing once it has ended."""
    if workflow.state != WorkflowState.IN_PROGRESS:
        return []
    return waits(
        steps,
        blocked=blocked_of(workflow),
        started_at=workflow.started_at,
        due_at=workflow.due_at,
        queue=workflow.queue,
        now=read_at,
    )


def _load(workflow: Workflow, read_at: datetime, everything: bool) -> Journal:
    rows = workflows.queryset().filter(parent=workflow.id).values_list("parent_step", "id")
    children = {step: child for step, child in rows if step is not None}
    nested = _nested(children, everything) if len(children) <= NESTED else {}
    steps, payloads = [], {}
    columns = (*HISTORY_COLUMNS, *(_PAYLOADS if everything else ()))
    # One at a time, since tracebacks are large and mostly not kept.
    for row in step_store.queryset(workflow.id).values(*columns).iterator():
        steps.append(StepHistory.of(row, tracebacks=everything, steps=nested.get(row["number"], ())))
        if everything:
            payloads[row["number"]] = {name: row[name] for name in _PAYLOADS}
    found = waits_of(workflow, steps, read_at)
    return Journal(workflow, steps, read_at, children, found, silence_of(found), payloads)


def _nested(children: Mapping[int, UUID], everything: bool) -> dict[int, list[StepHistory]]:
    return {
        number: [
            StepHistory.of(row, tracebacks=everything) for row in step_store.queryset(child).values(*HISTORY_COLUMNS)
        ]
        for number, child in children.items()
    }


def silence_of(found: Iterable[Wait]) -> dict[str, float | None]:
    """For each queue that these waits need a worker of, how long none has been heard of; ``None`` is never."""
    queues = {wait.queue for wait in found if wait.kind in (WaitKind.WORKER, WaitKind.SILENT)}
    return {queue: workers.seconds_since_last_seen(queue) for queue in sorted(queues)}
