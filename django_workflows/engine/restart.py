"""Restarts finished workflows, with their journal or from one of its steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from ..core.definitions import Definition
from ..core.histories import IMPORTED
from ..core.retry import dotted_path
from ..exceptions import (
    StepNotFound,
    WorkflowAlreadyRunning,
    WorkflowError,
    WorkflowImported,
    WorkflowStillRunning,
)
from ..store import restarts, retention, workflows
from ..store.database import atomic
from ..store.once import once
from .advance import locked_turn
from .dispatch import wake
from .inside import is_inside, writes
from .live import live_handlers
from .observe import read
from .pools import free_place

FromStep = int | str | Callable[..., Any] | Definition[Any, Any] | None


_INSIDE = (
    ". A step cannot restart its own workflow: end the workflow and restart it from its on_complete, or let the "
    "workflow function call step.continue_as_new(...)"
)


@writes
def restart(workflow_id: UUID, from_step: FromStep = None) -> None:
    """Run a finished workflow again: replayed from its whole journal, or from what comes before ``from_step``.

    ``from_step`` is a number, or a name or function, of which the last such step is meant; that step and all after it
    are forgotten, with their events and children. Steps that were open when the workflow ended are run. ``on_complete``
    runs again at the new end. Raises ``WorkflowNotFound``, ``WorkflowStillRunning``, ``StepNotFound``,
    ``WorkflowAlreadyRunning`` (another of its key runs) or ``WorkflowImported``, and changes nothing then.
    """
    generation = 0

    def change() -> bool:
        nonlocal generation
        reopened = restarts.reopen(workflow_id)
        if reopened is None:
            if read(workflow_id).queue == IMPORTED:
                raise WorkflowImported(f"workflow {workflow_id} was imported from a history, and is not run")
            hint = _INSIDE if is_inside(workflow_id) else ""
            raise WorkflowStillRunning(f"workflow {workflow_id} is still running, so it cannot be restarted{hint}")
        now, queue, generation = reopened
        pools = retention.lock_descendants(workflow_id)
        number = _number(workflow_id, from_step)
        if number is not None:
            restarts.drop_from(workflow_id, number)
        restarts.forget_cancellation(workflow_id)
        waiting = restarts.reopen_steps(workflow_id, now)
        restarts.renumber_deliveries(workflow_id)
        live_handlers.drop(workflow_id)
        if waiting:
            _take_turn(workflow_id)
        for pool in sorted(pools):
            free_place(pool)
        wake(queue)
        return True

    try:
        once(change, lambda: read(workflow_id).generation >= generation or None)
    except IntegrityError as error:
        raise WorkflowAlreadyRunning(f"another workflow with the key of {workflow_id} is running") from error


def _take_turn(workflow_id: UUID) -> None:
    """Have the handler give up what it gave up before, so that no worker runs it. What hinders it, workers will see."""
    locked = workflows.lock(workflow_id)
    if locked is None or locked[0].started_at is None:
        return
    with suppress(WorkflowError), atomic():
        locked_turn(*locked, queue=None)


def _number(workflow_id: UUID, from_step: FromStep) -> int | None:
    if from_step is None:
        return None
    if isinstance(from_step, int) and not isinstance(from_step, bool):
        if from_step < 0 or not restarts.has_step(workflow_id, from_step):
            raise StepNotFound(f"workflow {workflow_id} has no step number {from_step}")
        return from_step
    if isinstance(from_step, Definition):
        name = from_step.name
    else:
        name = from_step if isinstance(from_step, str) else dotted_path(from_step)
    number = restarts.last_step(workflow_id, name)
    if number is None:
        raise StepNotFound(f"workflow {workflow_id} has no step of the name or function {name!r}")
    return number
