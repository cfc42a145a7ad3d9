"""Which step functions are quick here, and how many workflows a worker may lead side by side, since all is quick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..conf import settings
from ..core.entries import NewStep
from ..core.journal import FUNCTION_KINDS, ClaimedStep, StepKind

#: Seconds below which an attempt is quick: less than its commit takes on most disks. A mutation waits for its own
#: statements as well.
QUICK, QUICK_MUTATION = 0.001, 0.002
#: A function counts as quick after this many quick attempts; a slow one costs as much as several quick ones bring.
_ENOUGH, _MOST, _SLOW = 2, 32, -8
#: So many turns of a definition are taken alone after one that could not be taken with others.
_APART = 8
#: Seconds below which a turn is quick. Its handler only computes, and it may be replayed before.
QUICK_TURN = 0.005
#: So many turns are taken together even after slow ones, so that it shows when they are quick again.
_FEWEST = 2


class Pace:
    """What this process has seen of the functions that it runs."""

    def __init__(self) -> None:
        self._scores: dict[str, int] = {}
        #: By definition, how many of its turns are yet to be taken alone.
        self._apart: Counter[str] = Counter()
        #: By the name of a definition, whether the last of its first turns asked for nothing but sleeps.
        self._sleepers: dict[str, bool] = {}
        #: How many workflows a worker may lead side by side now: 1 at first, more as long as steps are quick.
        self.size = 1
        #: The same for the turns of workflows that waited: what their handlers do is expected to be quick.
        self.most_turns = 1 << 10
        self._always = False

    def be(self, size: int | None) -> None:
        """Take every function to be quick, and so many to be led side by side; ``None``: learn anew. For tests."""
        self._scores.clear()
        self._apart.clear()
        self._sleepers.clear()
        self.size, self._always = size or 1, size is not None
        self.most_turns = size or 1 << 10

    def note(self, step: ClaimedStep, seconds: float) -> None:
        """An attempt of this step's function has taken so many seconds; infinite: it has to be alone."""
        if self._always:
            return
        quick = seconds < (QUICK_MUTATION if step.kind == StepKind.MUTATION else QUICK)
        self.size = min(2 * self.size, settings.BATCH_SIZE) if quick else max(1, self.size // 2)
        score = self._scores.get(step.function, 0)
        self._scores[step.function] = min(score + 1, _MOST) if quick else max(score + _SLOW, _SLOW)

    @property
    def turns(self) -> int:
        """How many turns of workflows that waited may be taken together."""
        bound: int = settings.BATCH_SIZE
        return min(self.most_turns, bound)

    def note_turn(self, seconds: float) -> None:
        """A turn's handler has taken so many seconds."""
        if not self._always:
            turns = 2 * self.turns if seconds < QUICK_TURN else self.turns // 2
            self.most_turns = max(_FEWEST, turns)

    def note_first(self, name: str, new_steps: Iterable[NewStep]) -> None:
        """The first turn of a workflow of that definition has asked for these."""
        self._sleepers[name] = all(new.kind == StepKind.SLEEP for new in new_steps)

    def sleeps_at_first(self, name: str) -> bool:
        """Whether a workflow of that definition may be expected to ask for no step that is run when it begins."""
        return self._sleepers.get(name, False)

    def is_quick(self, function: str) -> bool:
        """Whether the function of that path may be expected to be quick: it has been, lately, in this process."""
        return self._always or self._scores.get(function, 0) >= _ENOUGH

    def is_together(self, definition: str) -> bool:
        """Whether the next turn of a definition's, with its inline steps, may be taken in a transaction with others."""
        if not self._apart[definition]:
            return True
        self._apart[definition] -= 1
        return False

    def keep_apart(self, definition: str) -> None:
        """A turn of that definition was in the way of others: the next ones are not taken with them."""
        self._apart[definition] = 0 if self._always else _APART

    def is_quick_to_follow(self, new_steps: Iterable[NewStep]) -> bool:
        """Whether the functions that these call, which a turn asks for, can be run in a round."""
        calls = (new for new in new_steps if new.kind in FUNCTION_KINDS)
        return all(not new.pool and self.is_quick(new.function) for new in calls)


pace = Pace()
