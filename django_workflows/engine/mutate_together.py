"""Runs mutations of several workflows in one transaction, while they are quick and none stands in another's way."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

from ..core.commands import Outcome
from ..core.journal import ClaimedStep, StepKind
from ..core.registry import registry
from ..store.database import atomic
from ..store.many_turns_sql import Shape
from ..store.plain import can_be_shared, do_not_wait_for_locks, let_each_hook_fail_alone
from . import announce
from .deadlines import DeadlineReached, deadline
from .dispatch import interrupts, waking_together
from .finish import end_in_transaction, lead_on, write_led_in_transaction
from .invoke import AttemptInterrupted
from .live import LiveHandler, live_handlers
from .marks import marks
from .timed import timed
from .turn import Turn
from .write_shared import Apart, may_be_among_others, shape_of_shared, write_group

logger = logging.getLogger("django_workflows")

#: Seconds after which one that was taken for quick is kept from the others.
_LONGEST = 0.1


def may_be_together(step: ClaimedStep) -> bool:
    """Whether this is a mutation that may share its transaction, as far as can be known."""
    if step.kind != StepKind.MUTATION or step.damage or step.lost or step.failures or step.pool:
        return False
    fn = registry.functions.get((step.workflow_name, step.function))
    return fn is not None and can_be_shared() and may_be_among_others(fn, step.function)


class MutationsTogether:
    """One shared transaction.

    All of the mutations are committed, each with its entry in the journal and the turn after it, or none is. Whatever
    comes between, be it one that fails, one that takes its time, or one whose workflow was canceled, costs the others
    no more than to be run again, each in its own transaction.
    """

    def __init__(self, queue: str, expect: Callable[[Sequence[ClaimedStep]], None]) -> None:
        """``queue`` is the one that this worker serves; ``expect`` is told of the steps that it runs next, before they
        are written as running.
        """
        self._queue = queue
        self._expect = expect
        self._taken: list[LiveHandler] = []
        #: The one whose function is being called.
        self.running: ClaimedStep | None = None

    def run(self, steps: Sequence[ClaimedStep]) -> list[ClaimedStep]:
        """The steps that this worker runs next. Raises ``Apart``, and what ends the worker."""
        try:
            with atomic():
                outcomes = self._call(steps)
                mine = self._write(steps, outcomes)
                let_each_hook_fail_alone()
        except BaseException as error:
            for live in self._taken:
                live.replay.close()  # it is ahead of its journal
            if isinstance(error, (AttemptInterrupted, *interrupts())):
                raise
            if isinstance(error, (Exception, DeadlineReached)):
                logger.debug("Mutations that would share a transaction are run one by one", exc_info=True)
                raise Apart from error
            raise
        return mine

    # -- the functions

    def _call(self, steps: Sequence[ClaimedStep]) -> list[Outcome]:
        do_not_wait_for_locks()
        with deadline(_LONGEST):
            return [self._outcome(step) for step in steps]

    def _outcome(self, step: ClaimedStep) -> Outcome:
        self.running = step
        marks.begun(step)
        outcome, seconds = timed(step, registry.functions[step.workflow_name, step.function], together=True)
        if outcome.error is not None or seconds == math.inf or step.cancels:
            raise Apart
        self.running = None
        return outcome

    # -- what is written

    def _write(self, steps: Sequence[ClaimedStep], outcomes: Sequence[Outcome]) -> list[ClaimedStep]:
        groups: dict[Shape, list[tuple[ClaimedStep, Turn]]] = {}
        for step, outcome in zip(steps, outcomes, strict=True):
            live = live_handlers.take_waiting(step)
            if live is None:
                end_in_transaction(step, outcome, None)
                continue
            self._taken.append(live)
            turn = lead_on(step, outcome, live)
            shape = shape_of_shared(turn, self._queue)
            if shape is None:
                write_led_in_transaction(step, turn, None)
            else:
                groups.setdefault(shape, []).append((step, turn))
        self._expect([turn.mine for group in groups.values() for _, turn in group if turn.mine is not None])
        mine: list[ClaimedStep] = []
        with waking_together():
            for shape, group in groups.items():
                mine += write_group(shape, [turn for _, turn in group])
                for step, turn in group:
                    announce.step_completed(step, turn.record.step_ends[0])
        return mine
