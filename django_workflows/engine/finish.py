"""Writes the end of a step; where nobody else is concerned, the handler's next turn is in that same transaction."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction

from ..core.commands import Outcome
from ..core.journal import ClaimedStep, Failure, StepKind, WorkflowRecord
from ..core.outcomes import failure_of
from ..core.plain_json import size_of
from ..core.retry import RetryPolicy
from ..exceptions import WorkflowError
from ..store import journals, workflows
from ..store import steps as step_store
from ..store.database import alias, atomic, clock, retrying
from ..store.step_statement import end_apart
from ..store.transient import is_away, is_transient
from . import announce
from .advance import locked_turn, take_turn, write, write_in_transaction
from .alone import can_stand_alone, stands_alone
from .bounds import closing_on_error, handler_limits
from .dispatch import wake
from .ends import TurnVoid, Undone, end_by_force
from .inside import BY_FORCE, concerning
from .live import LiveHandler, live_handlers
from .log_fields import of_step
from .pools import free_place
from .soon import soon
from .step_ends import step_end
from .turn import Turn
from .worker import draining

logger = logging.getLogger("django_workflows")

#: Seconds until a step is run again that the database refused for its own sake, at the most and before jitter.
_LONGEST_PUT_OFF = 60.0
#: A number in [0, 1) for the jitter of a retry; no step's ``random.seed`` makes it the same for all. Replaced by
#: ``django_workflows.testing`` only.
uniform: Callable[[], float] = random.SystemRandom().random


def policy_of(step: ClaimedStep) -> RetryPolicy | None:
    stored = step.options.get("retry")
    return None if stored is None else RetryPolicy.from_json(stored)


def finish(step: ClaimedStep, outcome: Outcome, queue: str | None) -> ClaimedStep | None:
    """Write the outcome of an attempt, with the handler's next turn where that can be."""
    good = outcome.error is None and not step.failures
    if good and not step.pool and step.kind != StepKind.MUTATION and can_stand_alone():
        return _finish_at_once(step, outcome, queue)
    return finish_together(step, lambda: outcome, queue)


def finish_together(step: ClaimedStep, produce: Callable[[], Outcome], queue: str | None) -> ClaimedStep | None:
    """Write the outcome that ``produce`` gives, in one transaction with what ``produce`` writes itself.

    Tried first as the handler's next turn, if the handler is here and waits for this step alone; if somebody else was
    faster, as an entry for another turn. What ``produce`` raises is raised.
    """
    live = live_handlers.take_waiting(step)
    if live is not None:
        try:
            return _committing(step, lambda: _finish_with_turn(step, produce, live, queue))
        except Undone:
            live_handlers.keep(step.workflow_id, live)
            raise
        except (TurnVoid, WorkflowError):
            live.replay.close()  # should the handler be at fault, the turn that follows says so
    with suppress(TurnVoid):
        return _committing(step, lambda: end_in_transaction(step, produce(), queue))
    return None


# -- each in one statement


def _finish_at_once(step: ClaimedStep, outcome: Outcome, queue: str | None) -> ClaimedStep | None:
    live = live_handlers.take_waiting(step)
    if live is not None:
        try:
            return _turn_at_once(step, outcome, live, queue)
        except (TurnVoid, WorkflowError):
            live.replay.close()
    return end_at_once(step, outcome, queue)


def end_at_once(step: ClaimedStep, outcome: Outcome, queue: str | None) -> ClaimedStep | None:
    """Write the good end of a step apart from any turn."""
    end = step_end(step, outcome, None)
    here = live_handlers.peek(step.workflow_id) is not None
    ended = retrying(lambda: end_apart(step, end, here=here))
    if ended is None:
        return None
    announce.step_completed(step, end)
    if ended.others_open:
        soon.expect(ended.due_in)
        return None
    return take_turn_here(step, queue) if here else None


def _turn_at_once(step: ClaimedStep, outcome: Outcome, live: LiveHandler, queue: str | None) -> ClaimedStep | None:
    with closing_on_error(live):
        return write_led(step, lead_on(step, outcome, live), queue)


def write_led(step: ClaimedStep, turn: Turn, queue: str | None) -> ClaimedStep | None:
    """Write a turn in which the handler was handed the good end of this step, in a transaction if it needs one."""
    if not (can_stand_alone() and stands_alone(turn)):
        return _committing(step, lambda: write_led_in_transaction(step, turn, queue))
    mine = retrying(lambda: write(turn, queue))
    announce.step_completed(step, turn.record.step_ends[0])
    return mine


def take_turn_here(step: ClaimedStep, queue: str | None) -> ClaimedStep | None:
    """The turn that the last of several steps brings about, if its handler is here."""
    try:
        return take_turn(step.workflow_id, step.generation, queue)
    except (WorkflowError, TurnVoid):
        workflows.make_due(step.workflow_id)  # the turn that is due says what is wrong
        return None


# -- in a transaction


def _committing(step: ClaimedStep, change: Callable[[], ClaimedStep | None]) -> ClaimedStep | None:
    """Run ``change`` in a transaction.

    Once that is committed, an ``on_commit`` hook of the user's that raises is logged: it cannot undo the step.
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
        with concerning(step.workflow_id):
            retrying(whole)
    except Exception:
        if not committed:
            raise
        logger.exception("An on_commit hook failed after its step was committed", extra=of_step(step))
    return result


def _finish_with_turn(
    step: ClaimedStep, produce: Callable[[], Outcome], live: LiveHandler, queue: str | None
) -> ClaimedStep | None:
    outcome = produce()
    if step.cancels:
        live.replay.close()  # it is led anew, from what is written here, and told of both
        return end_in_transaction(step, outcome, queue)
    if _try_again(step, outcome):
        # Not before: should the answer to the commit be lost, the next try finds that somebody has gone on.
        live_handlers.keep_after_commit(step.workflow_id, live)
        return None
    with closing_on_error(live):
        return write_led_in_transaction(step, lead_on(step, outcome, live), queue)


def lead_on(step: ClaimedStep, outcome: Outcome, live: LiveHandler) -> Turn:
    """The turn in which the handler is handed this outcome; nothing is written yet."""
    if live.replay.open.keys() != {step.number}:
        raise TurnVoid  # this is a repetition, and the handler has gone on before
    turn = Turn(live.workflow, live, clock.estimate())
    with handler_limits(turn.definition):
        turn.deliver_end(step, outcome)
    return turn


def write_led_in_transaction(step: ClaimedStep, turn: Turn, queue: str | None) -> ClaimedStep | None:
    """``write_led`` in the caller's transaction."""
    mine = write_in_transaction(turn, queue)
    if step.failures:
        step_store.set_failures(step, step.failures)
    announce.step_completed(step, turn.record.step_ends[0])
    free_place(step.pool)
    return mine


def end_in_transaction(step: ClaimedStep, outcome: Outcome, queue: str | None) -> ClaimedStep | None:
    """Write the outcome of an attempt as an entry for a turn, in the caller's transaction.

    Raises ``TurnVoid`` where the attempt is somebody else's by now, and then all must be rolled back.
    """
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
    workflows.add_bytes(step.workflow_id, size_of(outcome.result or ""))
    workflow.journal_bytes += size_of(outcome.result or "")
    if step.cancels and workflow.cancel_requested_at is None:
        step.cancels = ""  # undone, in a savepoint of the function's own
    if step.cancels == BY_FORCE:
        end_by_force(workflow, now)
        return None
    try:
        return _turn_after(step, workflow, now, queue)
    except WorkflowError:
        pass  # the turn that is due below says what is wrong
    workflows.make_due(step.workflow_id)
    free_place(step.pool)
    return None


def _turn_after(step: ClaimedStep, workflow: WorkflowRecord, now: datetime, queue: str | None) -> ClaimedStep | None:
    """The turn that the end of this step brings about, if its handler is here and waits for nothing else; else due."""
    here = live_handlers.peek(step.workflow_id) is not None
    if step.cancels or (here and not step_store.others_open(step.workflow_id, step.number)):
        with atomic():
            mine = locked_turn(workflow, now, queue=queue, cancel_first=bool(step.cancels))
    else:
        mine = None
        workflows.make_due(step.workflow_id)
    free_place(step.pool)
    return mine


def _try_again(step: ClaimedStep, outcome: Outcome) -> bool:
    """Queue another attempt, if the attempt failed and the policy has one left; True if it does not end here."""
    failure = outcome.error
    policy = None if failure is None or outcome.final else policy_of(step)
    if failure is None or policy is None:
        return False
    if not policy.covers((failure.type, *failure.bases)):
        return False
    elapsed = 0.0 if policy.max_elapsed is None else _elapsed(step)
    delay = policy.delay(step.attempt - step.refused, uniform(), asked=outcome.retry_after, elapsed=elapsed)
    if delay is None:
        return False
    _queue_again(step, failure, failure.to_json(), delay.total_seconds())
    return True


def _elapsed(step: ClaimedStep) -> float:
    """Seconds since the first attempt could begin."""
    first = next((each.get("queued_at") for each in step.failures if isinstance(each, dict)), None)
    since = step.queued_at if first is None else datetime.fromisoformat(first)
    return (clock.estimate() - since).total_seconds()


def _queue_again(step: ClaimedStep, failure: Failure, error: dict[str, Any], seconds: float) -> None:
    locked = workflows.lock(step.workflow_id, step.generation)
    if locked is None:
        raise TurnVoid
    _, now = locked
    failed = step_store.attempt_json(step, step.attempt, error, now, step.started_at)
    failures = [*step.failures, failed | {"worker": draining.get()}]
    retry_at = step_store.retry(step, failures, seconds)
    if retry_at is None:
        raise TurnVoid
    free_place(step.pool)
    announce.step_retried(step, failure, retry_at)
    wake(step.queue, seconds)


def put_off(step: ClaimedStep, error: Exception) -> bool:
    """Queue a query or mutation again, later, that the database refused for its own sake; whether it did.

    Nothing of it was done, so that uses up no attempt of its policy. How often this may happen is bounded by
    ``MAX_DELIVERIES``; then the error is the step's failure. Not where the database is away: whoever takes the step
    then would have no better luck, and there is nobody to write to.
    """
    if step.kind == StepKind.ACTION or not is_transient(error) or is_away(error):
        return False
    failure = failure_of(error, attempts=step.attempt, skip_frames=1)
    seconds = min(_LONGEST_PUT_OFF, 0.5 * 4**step.refused) * (0.5 + uniform())

    def change() -> None:
        with atomic():
            _queue_again(step, failure, failure.to_json() | {step_store.TRANSIENT: True}, seconds)

    try:
        retrying(change)
    except TurnVoid:
        pass  # somebody else has it by now, or nobody wants it any more
    except (DatabaseError, InterfaceError):
        return False
    names = (step.number, step.name, step.workflow_name, step.workflow_id, seconds)
    message = "Step %d (%s) of %s %s is run again in %.1f s, since the database could not do it: %s"
    logger.warning(message, *names, " ".join(str(error).split()), extra=of_step(step))
    return True
