"""Runs a mutation: what it writes and its entry in the journal are one transaction."""

from __future__ import annotations

from collections.abc import Callable

from django.db import DatabaseError
from django.db.transaction import TransactionManagementError

from ..core.commands import Outcome
from ..core.journal import ClaimedStep
from ..core.outcomes import failure_of
from ..store.transient import may_be_of_the_session
from .ends import Undone
from .finish import finish, finish_together


def mutate(step: ClaimedStep, run: Callable[[], Outcome], queue: str | None) -> ClaimedStep | None:
    """Write the outcome of the mutation that ``run`` runs; returns what ``finish`` returns.

    If it fails, the whole transaction is rolled back, which needs no savepoint, and its failure is written in another
    one. To die between the two is to die before the commit: the mutation is run again.
    """
    ran = False

    def produce() -> Outcome:
        nonlocal ran
        ran = False
        outcome = run()
        if outcome.error is not None:
            raise Undone(outcome)
        ran = True
        return outcome

    try:
        return finish_together(step, produce, queue)
    except Undone as undone:
        failed = undone.outcome
    except DatabaseError as error:
        if not ran or not may_be_of_the_session(error):
            raise
        failed = Outcome(step.number, error=failure_of(_not_written(error), attempts=step.attempt))
    return finish(step, failed, queue)


def _not_written(error: DatabaseError) -> TransactionManagementError:
    return TransactionManagementError(
        f"its entry in the journal could not be written in its transaction: {str(error).strip()}. A database function "
        "that it called may have changed the session (search_path, role). Have that undone: "
        'DJANGO_WORKFLOWS["SESSION_RESET"] = "always".'
    )
