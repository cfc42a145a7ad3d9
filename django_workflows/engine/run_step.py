"""Runs one step and writes its end; where nobody else is concerned, the handler's next turn is in that same transaction."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import transaction

from ..conf import settings
from ..core.commands import Outcome
from ..core.journal import ClaimedStep, Failure, StepKind
from ..core.outcomes import failure_of
from ..core.registry import registry
from ..core.replay import Replay
from ..core.retry import RetryPolicy
from ..exceptions import AttemptLost, DeterminismViolation, WorkflowError
from ..store import journals, workflows
from ..store import steps as step_store
from ..store.database import alias, atomic, clock, retrying
from . import announce
from .advance import PARKED_SECONDS, TurnVoid, closing_on_error, handler_limits, locked_turn, write
from .dispatch import wake
from .invoke import AttemptInterrupted, attempt
from .live import LiveHandler, limits, live_handlers
from .turn import Turn, step_end

logger = logging.getLogger("django_workflows")


def run_step(step: ClaimedStep, queue: str | None) -> ClaimedStep | None:
    """Run a claimed step to its end; returns the next step for this worker, if its end leads to one.

    ``queue`` is the one this worker serves, ``None`` if it takes no further step. Raises only what ends the worker.
    """
    try:
        lost = _lost_attempt(step)
        if lost is not None:
            return _finish(step, lambda: Outcome(step.number, error=lost), queue)
        fn = _function(step)
        if fn is None:
            return None
        if step.kind == StepKind.MUTATION:
            return _finish(step, lambda: attempt(step, fn), queue)
        outcome = attempt(step, fn)
        return _finish(step, lambda: outcome, queue)
    except AttemptInterrupted as interrupted:
        failure = interrupted.failure
        with suppress(Exception):
            _finish(step, lambda: Outcome(step.number, error=failure), None)
        raise interrupted.cause from None
    except Exception:
        # The lease brings the step back.
        logger.exception("Step %d (%s) of workflow %s could not be written", step.number, step.name, step.workflow_id)
        return None


# -- before


def _lost_attempt(step: ClaimedStep) -> Failure | None:
    """What becomes of a step whose earlier attempt went away with its worker; ``None``: just run it.

    A query or mutation left no trace, so it is run again, unless it killed its worker each time. An action may have had
    its effect: without retry it fails, with retry the lost attempt counts as one that failed.
    """
    if not step.lost:
        return None
    error = AttemptLost(
        f"attempt {step.attempt - 1} was lost: its worker died or said nothing for {settings.LEASE:g} s, so whether it "
        "had an effect is not known"
    )
    failure = failure_of(error, attempts=step.attempt - 1)
    if step.kind != StepKind.ACTION:
        return failure if step.lost >= settings.MAX_DELIVERIES else None
    policy = _policy(step)
    if policy is None or step.attempt > policy.max_attempts:
        return failure
    for number in range(len(step.failures) + 1, step.attempt):
        step.failures.append(step_store.attempt_json(step, number, failure.to_json(), None, None))
    return None


def _policy(step: ClaimedStep) -> RetryPolicy | None:
    stored = step.options.get("retry")
    return None if stored is None else RetryPolicy.from_json(stored)


def _function(step: ClaimedStep) -> Callable[..., Any] | None:
    """The function that the workflow's code asks for at this step.

    Found by leading the handler through its journal, never by importing what a row says.
    """
    fn = registry.functions.get(step.function)
    if fn is not None:
        return fn
    problem = f"step {step.number}: the code no longer asks for {step.function}"
    try:
        _replay_in_vain(step)
    except WorkflowError as error:
        problem = str(error)
    fn = registry.functions.get(step.function)
    if fn is None:
        logger.error("Workflow %s %s is parked: %s", step.workflow_name, step.workflow_id, problem)
        with atomic():
            if workflows.lock(step.workflow_id, step.generation) is not None:
                workflows.park(step.workflow_id, problem, seconds=PARKED_SECONDS)
                step_store.release(step, PARKED_SECONDS)
    return fn


def _replay_in_vain(step: ClaimedStep) -> None:
    """Have the handler ask for all its steps once, which makes their functions known here."""
    workflow = workflows.read(step.workflow_id)
    definition = registry.find(step.workflow_name)
    if workflow is None or workflow.started_at is None:
        return
    replay = Replay(definition, workflow.id, workflow.args, workflow.started_at, limits())
    try:
        with handler_limits(definition):
            replay.catch_up(journals.load(workflow.id), canceled_at=workflow.canceled_at_delivery)
    finally:
        replay.close()


# -- after


def _finish(step: ClaimedStep, produce: Callable[[], Outcome], queue: str | None) -> ClaimedStep | None:
    """Write the outcome that ``produce`` gives, in one transaction with what ``produce`` writes itself.

    Tried first as the handler's next turn, if the handler is here and waits for this step alone; if somebody else was
    faster, as an entry for another turn.
    """
    live = _waiting_for(step)
    if live is not None:
        try:
            return _committing(lambda: _finish_with_turn(step, produce, live, queue))
        except (TurnVoid, DeterminismViolation):
            live_handlers.drop(step.workflow_id)
    with suppress(TurnVoid):
        return _committing(lambda: _finish_alone(step, produce, queue))
    return None


def _waiting_for(step: ClaimedStep) -> LiveHandler | None:
    live = live_handlers.peek(step.workflow_id)
    if live is None or live.workflow.generation != step.generation or live.replay.open.keys() != {step.number}:
        return None
    return live


def _committing(change: Callable[[], ClaimedStep | None]) -> ClaimedStep | None:
    """Run ``change`` in a transaction. Once that is committed, an ``on_commit`` hook of the user's that raises is logged:
    it cannot undo the step.
    """
    committed = False

    def mark() -> None:
        nonlocal committed
        committed = True

    result: ClaimedStep | None = None

    def whole() -> None:
        nonlocal result
        with atomic():
            transaction.on_commit(mark, using=alias())
            result = change()

    try:
        retrying(whole)
    except Exception:
        if not committed:
            raise
        logger.exception("An on_commit hook failed after its step was committed")
    return result


def _finish_with_turn(
    step: ClaimedStep, produce: Callable[[], Outcome], live: LiveHandler, queue: str | None
) -> ClaimedStep | None:
    outcome = produce()
    if _try_again(step, outcome):
        return None
    with closing_on_error(live):
        if live.replay.open.keys() != {step.number}:
            raise TurnVoid  # this is a repetition, and the handler has gone on before
        turn = Turn(live.workflow, live, clock.estimate())
        with handler_limits(turn.definition):
            turn.deliver_end(step, outcome)
        if turn.needs_database:
            locked = workflows.lock(step.workflow_id, step.generation)
            if locked is None or locked[0].delivered != live.workflow.delivered:
                raise TurnVoid
            turn.record.expected_version = locked[0].version
        mine = write(turn, queue)
    if step.failures:
        step_store.set_failures(step, step.failures)
    announce.step_completed(step, turn.record.step_ends[0])
    return mine


def _finish_alone(step: ClaimedStep, produce: Callable[[], Outcome], queue: str | None) -> ClaimedStep | None:
    outcome = produce()
    if _try_again(step, outcome):
        return None
    locked = workflows.lock(step.workflow_id, step.generation)
    if locked is None:
        raise TurnVoid
    workflow, now = locked
    end = step_end(step, outcome, None)
    if not journals.end_steps(step.workflow_id, [end], now):
        raise TurnVoid
    if step.failures:
        step_store.set_failures(step, step.failures)
    announce.step_completed(step, end)
    workflows.add_bytes(step.workflow_id, len(outcome.result or ""))
    workflow.journal_bytes += len(outcome.result or "")
    if live_handlers.peek(step.workflow_id) is not None and not step_store.others_open(step.workflow_id, step.number):
        try:
            with atomic():
                return locked_turn(workflow, now, queue=queue)
        except WorkflowError:
            pass  # the turn that is due below says what is wrong
    workflows.make_due(step.workflow_id)
    return None


def _try_again(step: ClaimedStep, outcome: Outcome) -> bool:
    """Queue another attempt, if the attempt failed and the policy has one left; True if it does not end here."""
    failure, policy = outcome.error, _policy(step)
    if failure is None or policy is None or step.kind != StepKind.ACTION:
        return False
    if not policy.covers((failure.type, *failure.bases)):
        return False
    delay = policy.delay(step.attempt, random.random())  # noqa: S311 - jitter, no secret
    if delay is None:
        return False
    locked = workflows.lock(step.workflow_id, step.generation)
    if locked is None:
        raise TurnVoid
    _, now = locked
    failures = [*step.failures, step_store.attempt_json(step, step.attempt, failure.to_json(), now, step.started_at)]
    retry_at = step_store.retry(step, failures, delay.total_seconds())
    if retry_at is None:
        raise TurnVoid
    announce.step_retried(step, failure.message, retry_at)
    wake(step.queue, delay.total_seconds())
    return True

