"""What a transaction that can be run again may say to ``retrying``, which runs it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

#: Set by ``retrying`` only; others ask ``may_repeat()``.
repeatable: ContextVar[bool] = ContextVar("django_workflows_repeatable", default=False)


class LockFirst(Exception):
    """Another lock is to be taken before all others: ``take`` does it. Raised only where ``may_repeat()``."""

    def __init__(self, take: Callable[[], None]) -> None:
        super().__init__("to be run again, with another lock first")
        self.take = take


class RunAgain(Exception):
    """To be run again from its start. Raised only where ``may_repeat()``, by who has seen to it that it goes otherwise
    then: nobody counts how often.
    """


def may_repeat() -> bool:
    """Whether ``retrying`` runs the present transaction, so that it can be run again."""
    return repeatable.get()
