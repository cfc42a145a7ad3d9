"""Takes turns of several workflows that ask for inline steps in one transaction, while those are quick."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from ..conf import settings
from ..core.commands import Outcome
from ..core.journal import FUNCTION_KINDS, ClaimedStep, StepKind
from ..core.retry import dotted_path
from ..store.database import atomic
from ..store.many_locks import Locked, lock_many
from ..store.many_turns_sql import Shape
from ..store.plain import Watch, can_be_shared, let_each_hook_fail_alone
from .advance import write
from .deadlines import DeadlineReached, deadline
from .dispatch import interrupts, waking_together
from .invoke import AttemptInterrupted, attempt
from .pace import pace
from .turn import Turn
from .write_shared import Apart, may_be_among_others, shape_of_shared, write_group

logger = logging.getLogger("django_workflows")

#: Seconds after which no further turn is begun in a transaction, and those that one may take at the most.
_ENOUGH, _LONGEST = 0.04, 0.1
_AS_ALWAYS = nullcontext()


def may_settle_together(turn: Turn) -> bool:
    """Whether what this turn asks for may be done beside what others do, as far as can be known."""
    ask = turn.first_pending
    if ask is None or not ask.options.inline or ask.kind not in FUNCTION_KINDS or turn.definition.pool:
        return False
    if not (can_be_shared() and may_be_among_others(ask.function, dotted_path(ask.function))):
        return False
    return pace.is_together(turn.definition.name)


class InlineTogether:
    """One shared transaction.

    Each workflow is locked, then its handler is led through its inline steps, then all that came of it is written.
    Either all of it is committed or nothing is. Whatever comes between, be it a step that fails, one that takes its
    time, or a workflow that somebody else has locked, costs the others no more than to be done again, each alone.
    """

    def __init__(self, queue: str, expect: Callable[[Sequence[ClaimedStep]], None]) -> None:
        """``queue`` is the one that this worker serves; ``expect`` is told of the steps that it runs next, before they
        are written as running.
        """
        self._queue = queue
        self._expect = expect
        #: The one that is being settled.
        self.running: Turn | None = None
        #: Those that are to be taken alone, and anew, for nothing of them is written.
        self.apart: list[Turn] = []
        #: Those that there was no time for.
        self.left: list[Turn] = []

    def run(self, turns: Sequence[Turn]) -> list[ClaimedStep]:
        """The steps that this worker runs next.

        Raises what ends the worker; then all are ``apart`` or ``left`` but the one during which that came.
        """
        self.left, settled = list(turns), list[Turn]()
        try:
            with atomic():
                self._lock()
                self._settle(settled)
                mine = self._write(settled)
                let_each_hook_fail_alone()
        except BaseException as error:
            self._set_apart(settled)
            if isinstance(error, (AttemptInterrupted, *interrupts())) or not _is_in_the_way(error):
                self.apart = [turn for turn in self.apart if turn is not self.running]
                raise (error.cause if isinstance(error, AttemptInterrupted) else error) from None
            logger.debug("Turns that would share a transaction are taken one by one", exc_info=True)
            return []
        return mine

    def _set_apart(self, turns: Sequence[Turn]) -> None:
        if self.running is not None:
            pace.keep_apart(self.running.definition.name)
        if not turns and self.running is None:
            turns, self.left = self.left, []  # what was in the way may be in the way again
        for turn in turns:
            turn.replay.close()  # it is ahead of its journal
        self.apart += turns

    # -- one after the other

    def _lock(self) -> None:
        found = lock_many([turn.workflow.id for turn in self.left])
        free = []
        for turn in self.left:
            if _holds(turn, found):
                turn.record.expected_version = found[turn.workflow.id].version
                free.append(turn)
            else:
                turn.replay.close()
                self.apart.append(turn)
        self.left = free

    def _settle(self, settled: list[Turn]) -> None:
        began = time.perf_counter()
        with Watch(forbids=True) as watch, deadline(min(_LONGEST, settings.TURN_TIMEOUT)) as limit:

            def run(step: ClaimedStep, fn: Callable[..., Any]) -> Outcome:
                return _run(step, fn, watch)

            while self.left and time.perf_counter() - began < _ENOUGH:
                self.running = turn = self.left.pop(0)
                settled.append(turn)
                turn.settle(run)
                if limit.interruption is not None:
                    raise limit.interruption  # asyncio made it the handler's own failure
                if limit.reached:
                    raise Apart
        self.running = None

    # -- what is written

    def _write(self, settled: Sequence[Turn]) -> list[ClaimedStep]:
        groups: dict[Shape, list[Turn]] = {}
        for turn in settled:
            shape = shape_of_shared(turn, self._queue)
            if shape is None:
                self.running = turn
                write(turn, None)
            else:
                groups.setdefault(shape, []).append(turn)
        self.running = None
        self._expect([turn.mine for group in groups.values() for turn in group if turn.mine is not None])
        with waking_together():
            return [mine for shape, group in groups.items() for mine in write_group(shape, group)]


def _is_in_the_way(error: BaseException) -> bool:
    return isinstance(error, (Exception, DeadlineReached))


def _holds(turn: Turn, found: dict[UUID, Locked]) -> bool:
    """Whether the workflow is locked, and what its turn was taken from is what there still is."""
    locked = found.get(turn.workflow.id)
    if locked is None or locked.generation != turn.workflow.generation:
        return False
    if turn.record.exact and locked.version != turn.record.expected_version:
        return False
    return locked.delivered == turn.workflow.delivered


def _run(step: ClaimedStep, fn: Callable[..., Any], watch: Watch) -> Outcome:
    if not may_be_among_others(fn, step.function):
        raise Apart
    began = time.perf_counter()
    # What a query says of its own is undone with it.
    with watch.aside() if step.kind == StepKind.QUERY else _AS_ALWAYS:
        outcome = attempt(step, fn, watch=watch)
    alone = outcome.error is not None or watch.hooks or not watch.plain or step.cancels or step.sends
    pace.note(step, math.inf if alone else time.perf_counter() - began)
    if alone:
        raise Apart
    return outcome
