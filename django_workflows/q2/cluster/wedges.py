"""Notices a crew that lives and does not work: whatever the cause, it is replaced."""

from __future__ import annotations

import time

from ...engine.outage import outage
from .crew import Crew, kill

#: Seconds for which tasks may wait beside idle workers, results for the monitor, the broker for the pusher.
_TASKS, _RESULTS, _PULSE = 5.0, 20.0, 30.0


class _Unchanged:
    """For how long a value has been the same."""

    def __init__(self) -> None:
        self._value: object = None
        self._since = 0.0

    def seconds(self, value: object) -> float:
        if value != self._value:
            self._value, self._since = value, time.monotonic()
        return time.monotonic() - self._since


class WedgeWatch:
    """Looks at one crew after the other."""

    def __init__(self) -> None:
        self._tasks, self._results = _Unchanged(), _Unchanged()

    def look(self, crew: Crew) -> str:
        """What is wrong; "" while it works, or has nothing to do."""
        waiting, idle = crew.task_queue.qsize() > 0, any(not hand.hold.busy for hand in crew.hands)
        if self._tasks.seconds((crew, waiting and idle, crew.taken())) > _TASKS and waiting and idle:
            return "Tasks wait, and idle workers take none"
        results = crew.result_queue.qsize()
        if self._results.seconds((crew, results)) > _RESULTS and results > 0:
            kill(crew.monitor, wait=1.0)  # what waits for it is inherited by another
            return "Results waited, and the monitor took none"
        if crew.pulse.silent_for() > _PULSE and not outage.lasts:
            return "The pusher does not come back from its broker"
        return ""
