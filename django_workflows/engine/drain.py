"""Takes whatever is due, one piece after the other, until nothing is or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from uuid import UUID

from ..core.journal import ClaimedStep, Lane, WorkflowRecord
from ..core.registry import registry
from ..store import attempts, workflows
from ..store import steps as step_store
from ..store.blocked import claim_resumable, not_advanced
from ..store.database import alias, retrying
from ..store.many_claims import claim_more
from ..store.prepared import replan
from ..store.session import owning
from . import announce
from .advance import advance
from .batch import Batch
from .borrowed_signals import BorrowedTimer
from .deployed_code import code, is_ahead, names, none_ahead
from .dispatch import wake
from .driving import driving
from .in_flight import flights
from .landing import begin, is_known, land, launch
from .lead import is_led_together
from .pace import pace
from .run_step import is_suspect, lost_attempt, run_step
from .soon import soon
from .worker import Worker, draining

T = TypeVar("T")

#: Seconds after which a drain that goes on has the plans of its statements made anew for the first time, then after
#: twice as many, up to the second of these: tables may grow fast meanwhile.
_PLANS, _PLANS_AT_MOST = 0.1, 1.0
#: After it has found nothing beside the piece that it took, a worker does not look for so many pieces.
_ALONE = 8
#: How many blocked workflows one worker takes at a time, when there is code that none of them has met.
_BLOCKED = 8


def drain(worker: Worker, *, seconds: float | None = None, stop: Callable[[], bool] = lambda: False) -> int:
    """Work until nothing is due, ``seconds`` have passed or ``stop()`` says so; returns how many pieces were done.

    A step that has begun is always brought to its end.
    """
    until = None if seconds is None else time.monotonic() + seconds

    def over() -> bool:
        return stop() or (until is not None and time.monotonic() >= until)

    worker.timer = BorrowedTimer()
    token = draining.set(worker.id)
    try:
        with driving(shares=flights.is_open), owning(alias()):
            return _drain(worker, over)
    finally:
        draining.reset(token)


def _drain(worker: Worker, over: Callable[[], bool]) -> int:
    worker.found = 0
    done = _resume_blocked(worker, over)
    planned_for = _PLANS
    replan_at = time.monotonic() + planned_for
    while not over():
        if time.monotonic() >= replan_at:
            replan(0.0)
            planned_for = min(2 * planned_for, _PLANS_AT_MOST)
            replan_at = time.monotonic() + planned_for
        # Steps first, so that many of one workflow that end together make one turn; but never only steps.
        flights.all_launched()
        count = _land(worker, over)
        count = count or (_run_one_step(worker, over) if done % 4 else 0)
        count = count or _advance_one(worker, over) or (0 if done % 4 else _run_one_step(worker, over))
        count = count or _resume_blocked(worker, over)
        if not count and not soon.wait():
            break
        done += count
    return done


def _resume_blocked(worker: Worker, over: Callable[[], bool]) -> int:
    """Take some of what other code has blocked; how many. Most of the time that costs nothing."""
    if not is_ahead():
        return 0
    found = retrying(lambda: claim_resumable(worker.queue, worker.id, code(), names(), _BLOCKED))
    if not found:
        none_ahead()
    for claimed in found:
        worker.took()
        if not _run_aside(claimed.id, worker, over):
            step = advance(claimed, worker.queue)
            if step is not None:
                _run_on(step, worker, over)
    return len(found)


def _run_aside(workflow_id: UUID, worker: Worker, over: Callable[[], bool]) -> bool:
    """Run the steps of a workflow that waited for code which knows their functions; whether there were any."""
    number = -1
    while (step := retrying(partial(step_store.claim_aside, workflow_id, worker.id, number))) is not None:
        if number < 0:
            retrying(lambda: not_advanced(workflow_id))
        number = step.number
        announce.step_started(step)
        _run_on(step, worker, over)
    return number >= 0


def _land(worker: Worker, over: Callable[[], bool]) -> int:
    """Write what has landed, and run what this thread has to run then; how much that was."""
    if not flights.landed:
        return 0
    before = len(flights.landed)
    mine = land(worker)
    flights.take_off()
    if mine:
        batch = Batch(worker, over, _steps_at_once, lambda batch, count: False)
        batch.go_on(mine)
        return before + _run_batch(batch, worker, over)
    return before


def _run_one_step(worker: Worker, over: Callable[[], bool]) -> int:
    lanes = flights.lanes(first=Lane(worker.done % len(Lane)))
    step = retrying(lambda: step_store.claim(worker.queue, worker.id, registry.pools, wake, lanes=lanes))
    if step is None:
        return 0
    if flights.is_open and step.lane != Lane.MAIN and not is_known(step):
        return 1
    if flights.flies(step) and not is_suspect(step) and not (step.lost and lost_attempt(step) is not None):
        return 1 + begin(step, worker, flights.room(step.lane))
    if step.attempt == 1 and not step.pool and pace.is_quick(step.function):
        more = _more(worker, "steps", _steps_at_once(), partial(_steps_beside, step))
        if more:
            batch = Batch(worker, over, _steps_at_once, partial(_add_steps, step, worker))
            batch.add([step, *more])
            return _run_batch(batch, worker, over)
    worker.took()
    announce.step_started(step)
    return _run_on(step, worker, over)


def _advance_one(worker: Worker, over: Callable[[], bool]) -> int:
    claimed = retrying(lambda: workflows.claim_turn(worker.queue, worker.id))
    if claimed is None:
        return 0
    if claimed.deliveries == 1 and is_led_together(claimed):
        sleeps = claimed.started_at is not None or pace.sleeps_at_first(claimed.name)
        kind, size = ("turns", _turns_at_once) if sleeps else ("starts", _steps_at_once)
        more = _more(worker, kind, size(), partial(_workflows_beside, claimed))
        if more:
            batch = Batch(worker, over, size, partial(_add_workflows, claimed, worker))
            batch.begin([claimed, *more])
            return _run_batch(batch, worker, over)
    worker.took()
    step = advance(claimed, worker.queue)
    return 1 + (_run_on(step, worker, over) if step is not None else 0)


def _steps_beside(step: ClaimedStep, worker: Worker, count: int) -> list[ClaimedStep]:
    return retrying(lambda: step_store.claim_more(worker.queue, worker.id, step.function, count, step.lane))


def _workflows_beside(claimed: WorkflowRecord, worker: Worker, count: int) -> list[WorkflowRecord]:
    return retrying(lambda: claim_more(worker.queue, worker.id, claimed.priority, count))


def _steps_at_once() -> int:
    return pace.size


def _turns_at_once() -> int:
    return pace.turns


def _add_steps(step: ClaimedStep, worker: Worker, batch: Batch, count: int) -> bool:
    more = _steps_beside(step, worker, count)
    batch.add(more)
    return bool(more)


def _add_workflows(claimed: WorkflowRecord, worker: Worker, batch: Batch, count: int) -> bool:
    more = _workflows_beside(claimed, worker, count)
    batch.begin(more)
    return bool(more)


def _more(worker: Worker, kind: str, size: int, claim: Callable[[Worker, int], list[T]]) -> list[T]:
    """Further pieces to be done beside the one that was claimed, ``size`` with it, as the pace of late allows."""
    if not worker.batches or size == 1:
        return []
    worker.found += 1
    if worker.found == 2:
        worker.alone.clear()  # the first of this drain was not alone, so others may be there as well
    if worker.alone[kind]:
        worker.alone[kind] -= 1
        return []
    more = claim(worker, size - 1)
    worker.alone[kind] = 0 if more else _ALONE
    return more


def _run_batch(batch: Batch, worker: Worker, over: Callable[[], bool]) -> int:
    last = batch.run()
    return batch.done + (0 if last is None else _run_on(last, worker, over))


def _run_on(step: ClaimedStep | None, worker: Worker, over: Callable[[], bool]) -> int:
    """Run a step, and the steps that each one leads to."""
    count = 0
    while step is not None:
        late = over()
        if count and late:
            # Claimed when the one before it ended, which may have taken long: it is due again, for whoever has time.
            attempts.release(step.attempt_id, 0.0)
            break
        if launch(step):
            count += 1
            break
        worker.begin(step)
        try:
            ran, step = step, run_step(step, None if late else worker.queue)
        finally:
            worker.begin(None)
        worker.timer.give_back(ran)
        count += 1
    return count
