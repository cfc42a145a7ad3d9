"""Runs a mutation: what it writes and its entry in the journal are one transaction."""

from __future__ import annotations

from collections.abc import Callable

from ..core.commands import Outcome
from ..core.journal import ClaimedStep
from .ends import Undone
from .finish import finish, finish_together


def mutate(step: ClaimedStep, run: Callable[[], Outcome], queue: str | None) -> ClaimedStep | None:
    """Write the outcome of the mutation that ``run`` runs; returns what ``finish`` returns.

    If it fails, the whole transaction is rolled back, which needs no savepoint, and its failure is written in another
    one. To die between the two is to die before the commit: the mutation is run again.
    """

    def produce() -> Outcome:
        outcome = run()
        if outcome.error is not None:
            raise Undone(outcome)
        return outcome

    try:
        return finish_together(step, produce, queue)
    except Undone as undone:
        failed = undone.outcome
    return finish(step, failed, queue)
