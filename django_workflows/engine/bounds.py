"""What holds while a handler runs: a time limit, and that a turn which failed leaves no handler behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..conf import settings
from ..core.definitions import Definition
from ..core.limits import Telling, telling_here
from ..exceptions import HandlerStuck
from .deadlines import DeadlineReached, deadline
from .live import LiveHandler, live_handlers

#: How often the CPU time is looked at until it may be over. A worker that stands still in the middle of a turn is not
#: its handler's fault.
_PARTS = 10
#: The part of a lease for which a turn may run.
_OF_A_LEASE = 2 / 3


class closing_on_error:  # noqa: N801 - reads as a statement
    """Close a live handler whose turn failed: it has seen what was not written."""

    def __init__(self, live: LiveHandler) -> None:
        self._live = live

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            live_handlers.drop(self._live.workflow.id)
            self._live.replay.close()


class OutOfTime(HandlerStuck):
    """A handler ran past a limit of time. Its workflow is blocked, and retried."""


@lru_cache(maxsize=8)
def _longest_and_parts(cpu_limit: float, lease: float) -> tuple[float, int]:
    """For how many seconds a handler may run, and how often it is looked at meanwhile."""
    longest = max(cpu_limit, lease * _OF_A_LEASE)
    return longest, max(1, math.ceil(longest / cpu_limit * _PARTS))


class handler_limits:  # noqa: N801 - reads as a statement
    """While a handler runs: no database, and no longer than allowed.

    It may use ``TURN_TIMEOUT`` of CPU time each time it is told something new. Loading and replay are not counted, nor
    are inline steps. In all it may take two thirds of a lease, be it asleep: then another worker would take the turn.
    """

    def __init__(self, definition: Definition[Any, Any]) -> None:
        self._definition = definition
        self._cpu_limit = settings.TURN_TIMEOUT
        self._longest, parts = _longest_and_parts(self._cpu_limit, settings.LEASE)
        self._deadline = deadline(self._longest, parts=parts, look=self._look)
        self._telling, self._too_busy = Telling(), False
        #: Since which delivery, and since how much CPU time, it has been looked at.
        self._seen, self._since = 0, 0.0

    def __enter__(self) -> None:
        self._outer, telling_here.now = telling_here.now, self._telling
        self._watch = self._deadline.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        telling_here.now = self._outer
        try:
            self._deadline.__exit__(kind, error, traceback)
        except DeadlineReached as late:
            error = late
        if self._watch.interruption is not None:
            raise self._watch.interruption  # asyncio made it the handler's own failure
        if self._watch.reached:
            used = f"used {self._cpu_limit:g} s of CPU time" if self._too_busy else f"ran for {self._longest:g} s"
            raise OutOfTime(
                f"{self._definition.name} {used} without waiting for anything. Is there an endless loop, or heavy work "
                "that belongs in a step? (TURN_TIMEOUT sets the limit of CPU time.)"
            ) from error

    def _look(self, cpu: Callable[[], float]) -> bool:
        # Seldom, and not at each delivery: to ask for CPU time costs more than most deliveries.
        if not self._telling.is_told:
            return False
        if self._seen != self._telling.count:
            self._seen, self._since = self._telling.count, cpu()
            return False
        self._too_busy = cpu() - self._since >= self._cpu_limit
        return self._too_busy
