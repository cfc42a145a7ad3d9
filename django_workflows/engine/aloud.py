"""Says in the log what is wrong with the whole: at once, again while it goes on, and that it is over."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic

from ..core.health import CRITICAL, Problem

logger = logging.getLogger("django_workflows")

#: Seconds after which what goes on is said again.
_AGAIN, _WARN_AGAIN = 60.0, 600.0
_Key = tuple[str, str | None]


class Aloud:
    """What has been said so far, of a queue or of everything."""

    def __init__(self) -> None:
        self._said_at: dict[_Key, float] = {}
        self._critical: set[_Key] = set()

    def tell(self, problems: Iterable[Problem]) -> None:
        """Log those that are new, or were not said for a while. A warning that comes and goes is not said each time."""
        found = {(each.code, each.queue): each for each in problems}
        for key in self._critical - found.keys():
            self._critical.discard(key)
            del self._said_at[key]
            _over(key[1])
        for key, problem in found.items():
            pause = _AGAIN if problem.severity == CRITICAL else _WARN_AGAIN
            if key not in self._said_at or monotonic() - self._said_at[key] > pause:
                self._said_at[key] = monotonic()
                _say(problem)
            if problem.severity == CRITICAL:
                self._critical.add(key)


def _say(problem: Problem) -> None:
    level = logging.CRITICAL if problem.severity == CRITICAL else logging.WARNING
    logger.log(level, "%s %s", problem.message, problem.hint, extra=_about(problem.queue))


def _over(queue: str | None) -> None:
    if queue is None:
        logger.warning("The journal's database answers again")
    else:
        logger.warning("Queue %r goes on", queue, extra=_about(queue))


def _about(queue: str | None) -> dict[str, str]:
    return {} if queue is None else {"queue": queue}


#: What this process has said of everything, whoever asks.
everything = Aloud()
