"""Which step functions are quick here, and how many workflows a worker may lead side by side for it."""

from __future__ import annotations

from collections.abc import Iterable

from ..conf import settings
from ..core.entries import NewStep
from ..core.journal import ClaimedStep, StepKind

#: Seconds below which an attempt is quick: less than its commit takes on most disks. A mutation waits for its own
#: statements as well.
QUICK, QUICK_MUTATION = 0.001, 0.002
#: The kinds of steps that are run in rounds.
_IN_ROUNDS = frozenset({StepKind.ACTION, StepKind.QUERY, StepKind.MUTATION})
#: A function counts as quick after this many quick attempts; a slow one costs as much as several quick ones bring.
_ENOUGH, _MOST, _SLOW = 2, 32, -8


class Pace:
    """What this process has seen of the functions that it runs."""

    def __init__(self) -> None:
        self._scores: dict[str, int] = {}
        #: How many workflows a worker may lead side by side now: 1 at first, more as long as steps are quick.
        self.size = 1
        self._always = False

    def be(self, size: int | None) -> None:
        """Take every function to be quick, and so many to be led side by side; ``None``: learn anew. For tests."""
        self._scores.clear()
        self.size, self._always = size or 1, size is not None

    def note(self, step: ClaimedStep, seconds: float) -> None:
        """An attempt of this step's function has taken so many seconds; infinite: it has to be alone."""
        if self._always:
            return
        quick = seconds < (QUICK_MUTATION if step.kind == StepKind.MUTATION else QUICK)
        self.size = min(2 * self.size, settings.BATCH_SIZE) if quick else max(1, self.size // 2)
        score = self._scores.get(step.function, 0)
        self._scores[step.function] = min(score + 1, _MOST) if quick else max(score + _SLOW, _SLOW)

    def is_quick(self, function: str) -> bool:
        """Whether the function of that path may be expected to be quick: it has been, lately, in this process."""
        return self._always or self._scores.get(function, 0) >= _ENOUGH

    def is_quick_to_follow(self, new_steps: Iterable[NewStep]) -> bool:
        """Whether these, which a turn asks for, can be run in a round."""
        return all(new.kind in _IN_ROUNDS and not new.pool and self.is_quick(new.function) for new in new_steps)


pace = Pace()
