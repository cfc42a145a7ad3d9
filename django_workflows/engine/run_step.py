"""Runs one step: finds its function, decides about attempts that were lost, and hands the outcome on to be written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn
from uuid import UUID

from ..conf import settings
from ..core.attempts import LOST_TYPE
from ..core.blocked import BlockedReason
from ..core.commands import Outcome
from ..core.journal import ClaimedStep, Failure, StepKind, WorkflowRecord
from ..core.logic import is_known, unknown_logic
from ..core.outcomes import failure_of
from ..core.registry import registry
from ..exceptions import AttemptLost, DefinitionNotFound, WorkflowError
from ..store import attempts, journals, workflows
from ..store import steps as step_store
from ..store.blocked import block
from ..store.database import atomic
from ..store.transient import is_away, is_transient
from .asked import lane_of
from .bounds import handler_limits
from .captured import ContextFailed
from .deployed_code import code
from .driving import letting_others_drive, wait_for
from .ends import BLOCKED_SECONDS
from .finish import finish, policy_of, put_off
from .in_flight import flights
from .insist import insist
from .invoke import AttemptInterrupted
from .live import new_replay
from .log_fields import of_step
from .mutate import mutate
from .pools import free_place
from .timed import timed

logger = logging.getLogger("django_workflows")

#: Seconds until a step that was left to workers of a newer version may be claimed again.
LEFT_SECONDS = 2.0
#: How often an action that was beside others when its worker died is run beside others again.
SHARED_LOSSES = 2


def run_step(step: ClaimedStep, queue: str | None) -> ClaimedStep | None:
    """Run a claimed step to its end; returns the next step for this worker, if its end leads to one.

    ``queue`` is the one this worker serves, ``None`` if it takes no further step. Raises only what ends the worker, or
    its drain since the database is away.
    """
    try:
        if step.damage:
            _block(step, BlockedReason.CORRUPT_ROW, f"step {step.number}: {step.damage}")
            return None
        lost = lost_attempt(step)
        if lost is not None:
            return finish(step, Outcome(step.number, error=lost, final=True), queue)
        fn = function_of(step)
        if fn is None:
            return None
        if step.kind == StepKind.MUTATION:
            return mutate(step, lambda: timed(step, fn)[0], queue)
        # In a transaction of the engine's others would wait for it, and it for them.
        outcome = _run(step, fn) if step.kind == StepKind.ACTION else timed(step, fn)[0]
        return insist(lambda: finish(step, outcome, queue), step)
    except AttemptInterrupted as interrupted:
        end_interrupted(step, interrupted)
    except Exception as error:
        if not put_off(step, error) and _is_in_vain(step, error):
            raise  # no use to take another step now; the worker abandons this one
    return None


def _run(step: ClaimedStep, fn: Callable[..., Any]) -> Outcome:
    """The outcome of an action, during which other threads of this worker may write what they have."""
    if step.options.get("exclusive") or (flights.is_open and is_suspect(step)):
        with flights.alone(partial(wait_for, news=flights.news, seconds=0.05)), letting_others_drive():
            return timed(step, fn)[0]
    with letting_others_drive():
        return timed(step, fn)[0]


def _is_in_vain(step: ClaimedStep, error: Exception) -> bool:
    """Log that the end of a step could not be written; whether that is of the database. Its lease brings it back."""
    names, about = _names(step), None if is_away(error) else error
    logger.error("Step %d (%s) of %s could not be written", *names, extra=of_step(step), exc_info=about)
    return is_transient(error)


def end_interrupted(step: ClaimedStep, interrupted: AttemptInterrupted) -> NoReturn:
    """Record the failure of a step during which its worker was ended from outside, and let that go on."""
    with suppress(Exception):
        finish(step, Outcome(step.number, error=interrupted.failure), None)
    raise interrupted.cause from None


def _names(step: ClaimedStep) -> tuple[int, str, UUID]:
    return step.number, step.name, step.workflow_id


# -- before


def lost_attempt(step: ClaimedStep) -> Failure | None:
    """What becomes of a step whose earlier attempt went away with its worker; ``None``: just run it.

    A query or mutation left no trace, so it is run again. An action may have had its effect: without retry it fails,
    with retry the lost attempt counts as one that failed. None goes on after ``MAX_DELIVERIES`` lost attempts, however
    many others there were between them: it is what kills its workers.
    """
    if not step.lost:
        return None
    text = (
        f"attempt {step.attempt - 1} was lost: its worker died or said nothing for {settings.LEASE:g} s, so whether it "
        "had an effect is not known"
    )
    lost = step.lost + _known_lost(step)
    if lost >= settings.MAX_DELIVERIES:
        text += (
            f". {lost} attempts of this step were lost, each with its worker, and MAX_DELIVERIES is "
            f"{settings.MAX_DELIVERIES}: it is not retried. Does it need more memory than there is, or end its "
            "process? Fix that, and restart the workflow from this step."
        )
        return failure_of(AttemptLost(text), attempts=step.attempt - 1)
    failure = failure_of(AttemptLost(text), attempts=step.attempt - 1)
    if step.kind != StepKind.ACTION:
        return None
    policy = policy_of(step)
    shared = _shared_losses(step)
    if policy is None or step.attempt - step.refused - shared > policy.max_attempts:
        return failure
    for number in range(len(step.failures) + 1, step.attempt):
        mark = {step_store.SHARED: True} if shared > 0 else {}
        shared -= 1
        step.refused += len(mark)
        step.failures.append(step_store.attempt_json(step, number, failure.to_json() | mark, None, None))
    return None


def _known_lost(step: ClaimedStep) -> int:
    return sum(isinstance(each, dict) and each.get("type") == LOST_TYPE for each in step.failures)


def _shared_losses(step: ClaimedStep) -> int:
    """How many of the lost attempts that are not noted yet were beside others in flight, and so use up no attempt."""
    fn = registry.functions.get((step.workflow_name, step.function))
    if fn is None or not flights.is_used(lane_of(fn, step.kind, bool(step.options.get("exclusive")))):
        return 0
    return min(step.lost, max(0, SHARED_LOSSES - _known_lost(step)))


def is_suspect(step: ClaimedStep) -> bool:
    """Whether an action was lost with its worker so often that it is run with nothing beside it: it may be why."""
    return step.kind == StepKind.ACTION and step.lost + _known_lost(step) >= SHARED_LOSSES


def function_of(step: ClaimedStep) -> Callable[..., Any] | None:
    """The function that the workflow's code asks for at this step.

    Found by leading the handler through its journal, never by importing what a row says.
    """
    fn = registry.functions.get((step.workflow_name, step.function))
    if fn is not None:
        return fn
    workflow = workflows.read(step.workflow_id)
    if workflow is not None and not is_known(workflow.logic):
        _leave_to_others(step, workflow.logic)
        return None
    reason, message = BlockedReason.CODE_MISMATCH, f"step {step.number}: the code no longer asks for {step.function}"
    try:
        _replay_in_vain(step, workflow)
    except DefinitionNotFound as error:
        reason, message = BlockedReason.UNKNOWN_DEFINITION, str(error)
    except ContextFailed as error:
        reason, message = BlockedReason.CRASH_LOOP, str(error)
    except WorkflowError as error:
        message = str(error)
    fn = registry.functions.get((step.workflow_name, step.function))
    if fn is None:
        _block(step, reason, message)
    return fn


def _block(step: ClaimedStep, reason: BlockedReason, message: str) -> None:
    """Leave the step to be tried later, and say of its workflow why."""
    about = of_step(step)
    text = "Workflow %s %s is blocked (%s): %s"
    logger.error(text, step.workflow_name, step.workflow_id, reason, message, extra=about)
    with atomic():
        if workflows.lock(step.workflow_id, step.generation) is not None:
            block(step.workflow_id, reason, message, seconds=BLOCKED_SECONDS, version=0, code=code())
            attempts.set_aside(step.attempt_id, BLOCKED_SECONDS)
            free_place(step.pool)


def _leave_to_others(step: ClaimedStep, logic: int) -> None:
    """Release a step whose function only a replay would find, of a workflow that this version does not replay."""
    about = of_step(step)
    logger.info("Step %d (%s) of %s is left to others: %s", *_names(step), unknown_logic(logic), extra=about)
    with atomic():
        attempts.release(step.attempt_id, LEFT_SECONDS)
        free_place(step.pool)


def _replay_in_vain(step: ClaimedStep, workflow: WorkflowRecord | None) -> None:
    """Have the handler ask for all its steps once, which makes their functions known here."""
    definition = registry.find(step.workflow_name)
    if workflow is None or workflow.started_at is None:
        return
    replay = new_replay(definition, workflow)
    try:
        with handler_limits(definition):
            replay.catch_up(journals.load(workflow.id), canceled_at=workflow.canceled_at_delivery)
    finally:
        replay.close()
