"""Runs an inline step in its turn's transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.commands import Outcome
from ..core.journal import AttemptId, ClaimedStep, StepKind
from ..store.database import connection
from ..store.repeats import RunAgain, may_repeat
from ..store.session import is_over
from .interruptions import AttemptInterrupted
from .invoke import is_last_delivery
from .timed import timed

#: Runs the function of an inline step, in the transaction of its turn; its outcome.
RunInline = Callable[[ClaimedStep, Callable[..., Any]], Outcome]

#: Failures that end their transaction, until their turn is taken again.
_given_up: dict[AttemptId, Outcome] = {}
#: Paths of functions that have failed in this process as inline mutations.
cautious: set[str] = set()


def run_inline(step: ClaimedStep, fn: Callable[..., Any]) -> Outcome:
    """The outcome of an inline step, with what it has written undone if it failed, and nothing else.

    A mutation has no savepoint, which would cost more than the rest of it, until its function fails for the first time
    in this process: that raises ``RunAgain``, and its turn is taken again from the start with a savepoint for it. On
    its last delivery it has none either, since the database may be unable to go back to it; its turn is then taken
    again with the failure, and without a call; so it is where the function has ended the turn's transaction, or closed
    its connection, past Django. What ends the worker is raised: the turn is undone, and taken again by another.
    """
    ended = _given_up.pop(step.attempt_id, None)
    if ended is not None:
        return ended
    last = is_last_delivery(step) and may_repeat()
    contained = step.kind == StepKind.MUTATION and not last and (step.function in cautious or not may_repeat())
    try:
        outcome, _ = timed(step, fn, contained=contained)
    except AttemptInterrupted as interrupted:
        raise interrupted.cause from None
    if outcome.error is not None and may_repeat() and is_over(connection()):
        _given_up[step.attempt_id] = outcome
        raise RunAgain
    if step.kind != StepKind.MUTATION:
        return outcome
    if outcome.error is not None and not contained:
        if last:
            _given_up[step.attempt_id] = outcome
        cautious.add(step.function)
        raise RunAgain
    return outcome
