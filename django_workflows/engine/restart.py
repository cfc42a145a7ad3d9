"""Restarts workflows: what failed runs again, or all from one of its steps, or nothing that is recorded."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from ..core.attempts import read_failure
from ..core.definitions import Definition, step_function
from ..core.excerpts import preview
from ..core.histories import IMPORTED
from ..core.journal import WorkflowState
from ..core.restart_plan import FAILED, KEEP, RestartFrom, RestartPlan, failed_plan
from ..core.retry import dotted_path
from ..exceptions import (
    InvalidArguments,
    StepNotFound,
    WorkflowAlreadyRunning,
    WorkflowError,
    WorkflowImported,
    WorkflowStillRunning,
)
from ..store import restarts, retention, workflows
from ..store.database import atomic
from ..store.once import once
from ..store.restarts import Restartable
from .advance import locked_turn
from .dispatch import wake
from .inside import is_inside, writes
from .live import live_handlers
from .observe import not_found, read
from .pools import free_place

FromStep = RestartFrom | int | str | Callable[..., Any] | Definition[Any, Any] | None


_INSIDE = (
    ". A step cannot restart its own workflow: end the workflow and restart it from its on_complete, or let the "
    "workflow function call step.continue_as_new(...)"
)


@writes
def restart(workflow_id: UUID, from_step: FromStep = FAILED) -> None:
    """Run a workflow again that has ended, or that is blocked.

    ``FAILED``, the default, for which ``None`` stands as well, runs the failures again that ended it: those that its
    error is, groups, or has as its cause (where there are none: in whose handling it was raised), and those after
    which nothing was asked for. All else that was asked for before it was told of the first of them keeps its result,
    what it asked for later is dropped; a child that failed is restarted likewise. Where no step failed the whole
    journal stays, as with ``KEEP``: the code was fixed.

    Else ``from_step`` is a step's number, name or function (the last step of that name); it and all after it are
    dropped, with their events and children. Steps that were open when the workflow ended are run.
    ``on_complete`` runs again at the new end. A blocked workflow is restarted from a step only.

    Raises ``WorkflowNotFound``, ``WorkflowStillRunning``, ``StepNotFound``, ``InvalidArguments`` (for what is no step),
    ``WorkflowAlreadyRunning`` (another of its key runs) or ``WorkflowImported``, and changes nothing then.
    """
    wanted = checked(from_step)
    generation = 0

    def change() -> bool:
        nonlocal generation
        found = restarts.lock_for_restart(workflow_id)
        if found is None:
            raise not_found(workflow_id)
        _refuse(workflow_id, found, wanted)
        pools = retention.lock_descendants(workflow_id)
        generation = _restart_one(workflow_id, found, wanted)
        for pool in sorted(pools):
            free_place(pool)
        return True

    try:
        once(change, lambda: read(workflow_id).generation >= generation or None)
    except IntegrityError as error:
        raise WorkflowAlreadyRunning(f"another workflow with the key of {workflow_id} is running") from error


def checked(from_step: FromStep) -> RestartFrom | int | str:
    """``from_step`` as one of three: where to begin, a number, or a name. ``InvalidArguments`` if it is none."""
    if from_step is None:
        return FAILED
    if isinstance(from_step, Definition):
        return from_step.name
    if isinstance(from_step, (RestartFrom, str)) or type(from_step) is int:
        return from_step
    from_step = step_function(from_step)
    if callable(from_step):
        with suppress(Exception):
            return dotted_path(from_step)
    raise InvalidArguments(
        f"from_step= is {preview(from_step)}, which is no step. Write the step's number, its name or its "
        "function, or FAILED or KEEP."
    )


def _refuse(workflow_id: UUID, found: Restartable, wanted: RestartFrom | int | str) -> None:
    if read(workflow_id).queue == IMPORTED:
        raise WorkflowImported(f"workflow {workflow_id} was imported from a history, and is not run")
    if found.state != WorkflowState.IN_PROGRESS or (found.blocked and not isinstance(wanted, RestartFrom)):
        return
    if found.blocked:
        raise WorkflowStillRunning(
            f"workflow {workflow_id} is blocked, so it can be restarted from a step only: give from_step=, the number, "
            "name or function of one. It resumes by itself once what blocks it is fixed."
        )
    hint = _INSIDE if is_inside(workflow_id) else ". Cancel it first, or wait for its end"
    raise WorkflowStillRunning(f"workflow {workflow_id} is still running, so it cannot be restarted{hint}")


def _restart_one(workflow_id: UUID, found: Restartable, wanted: RestartFrom | int | str) -> int:
    """Restart a workflow that is locked with all below it, and with it the children that failed; its generation."""
    plan, children = _plan(workflow_id, found, wanted)
    reopened = restarts.reopen(workflow_id, blocked=found.blocked)
    assert reopened is not None
    now, queue, generation = reopened
    if found.blocked and plan.cut is not None:
        restarts.keep_given_up(workflow_id, plan.cut)
    if plan.cut is not None:
        restarts.drop_from(workflow_id, plan.cut)
    restarts.forget_cancellation(workflow_id)
    if plan.again:
        restarts.run_again(workflow_id, plan.again, now)
    waiting = restarts.reopen_steps(workflow_id, now, anew=bool(plan.again))
    if found.blocked:
        restarts.forget_given_up(workflow_id)
    restarts.renumber_deliveries(workflow_id)
    live_handlers.drop(workflow_id)
    for child in children:
        ended = restarts.lock_for_restart(child)
        if ended is not None and ended.state != WorkflowState.IN_PROGRESS:
            _restart_one(child, ended, FAILED)
    if waiting:
        _take_turn(workflow_id)
    wake(queue)
    return generation


def _plan(workflow_id: UUID, found: Restartable, wanted: RestartFrom | int | str) -> tuple[RestartPlan, list[UUID]]:
    """What of the journal goes and what runs again, with the children that are to be restarted."""
    if not isinstance(wanted, RestartFrom):
        return RestartPlan(cut=_number(workflow_id, wanted)), []
    if wanted == KEEP or found.state != WorkflowState.FAILED:
        return RestartPlan(), []
    plan = plan_failed(workflow_id, found.error)
    children, orphans = restarts.failed_children(workflow_id, plan.again)
    if orphans:
        cut = min([*orphans, *([] if plan.cut is None else [plan.cut])])
        plan = RestartPlan(tuple(number for number in plan.again if number < cut), cut)
        children, _ = restarts.failed_children(workflow_id, plan.again)
    return plan, children


def plan_failed(workflow_id: UUID, error: str | None) -> RestartPlan:
    """What ``FAILED`` means for a workflow that failed with this error, as its row has it."""
    failed = restarts.failed_steps(workflow_id)
    if not failed:
        return RestartPlan()
    failure = read_failure(error)
    older = any(each.delivery is not None and each.reached is None for each in failed)
    asked: list[tuple[int, datetime]] = restarts.steps_asked(workflow_id) if older else []
    ended_by = () if failure is None else failure.steps or failure.handled
    return failed_plan(failed, ended_by, restarts.count_steps(workflow_id), asked)


def _take_turn(workflow_id: UUID) -> None:
    """Have the handler give up what it gave up before, so that no worker runs it. What hinders it, workers will see."""
    locked = workflows.lock(workflow_id)
    if locked is None or locked[0].started_at is None:
        return
    with suppress(WorkflowError), atomic():
        locked_turn(*locked, queue=None)


def _number(workflow_id: UUID, wanted: int | str) -> int:
    if isinstance(wanted, int):
        total = restarts.count_steps(workflow_id)
        if not 0 <= wanted < total:
            known = f"its steps are 0 to {total - 1}" if total else "it has none"
            raise StepNotFound(f"workflow {workflow_id} has no step number {preview(wanted)}: {known}")
        return wanted
    number = None if "\0" in wanted else restarts.last_step(workflow_id, wanted)
    if number is None:
        near = difflib.get_close_matches(wanted[:500], restarts.step_names(workflow_id), n=1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        raise StepNotFound(f"workflow {workflow_id} has no step of the name or function {preview(wanted)}{hint}")
    return number
