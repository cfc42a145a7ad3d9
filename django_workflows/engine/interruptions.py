"""Which exceptions end a worker's work from outside. Any other is the doing of the code that raised it."""

from __future__ import annotations

from ..core.journal import Failure
from ..core.limits import interrupt_in
from .deadlines import DeadlineReached
from .dispatch import interrupts


class AttemptInterrupted(BaseException):
    """The worker is being ended from outside while a step runs: record ``failure``, then let ``cause`` go on."""

    def __init__(self, failure: Failure, cause: BaseException) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.cause = cause


def interruption(error: BaseException) -> BaseException | None:
    """What came from outside into the code that raised ``error``, which may be a group that holds it.

    ``None``: nothing did. ``SystemExit``, ``KeyboardInterrupt``, ``GeneratorExit``, ``asyncio.CancelledError`` and any
    other ``BaseException`` are then the code's own.
    """
    return interrupt_in(error, (AttemptInterrupted, DeadlineReached, *interrupts()))
