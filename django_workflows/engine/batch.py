"""Leads several workflows side by side while their steps are quick, and writes what comes of a round together.

One worker runs one step at a time all the same, and of each workflow every step is committed before the next begins.
What is shared is the commit: one for a round, instead of one for each workflow's step.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ..core.commands import Outcome
from ..core.journal import ClaimedStep, StepKind, WorkflowRecord
from ..core.registry import registry
from ..exceptions import WorkflowError
from ..store import steps as step_store
from ..store.database import retrying
from ..store.many_ends import GoodEnd, end_many_apart
from ..store.many_turns import Shape, Written, shape_of, write_turns
from ..store.passing import passes
from ..store.prepared import in_one_statement
from ..store.step_statement import Ended
from . import announce
from .advance import advance, after_writing, lead_first, write_somehow
from .alone import stands_alone
from .ends import TurnVoid
from .finish import finish, led, take_turn_here, write_led
from .insist import insist
from .invoke import AttemptInterrupted
from .live import live_handlers
from .pace import QUICK, pace
from .run_step import run_step, timed
from .soon import soon
from .step_ends import step_end
from .turn import Turn
from .worker import Worker

logger = logging.getLogger("django_workflows")
T = TypeVar("T")

#: After so many rounds nothing is added any more, so that its worker looks again at what is most urgent.
_ROUNDS = 16


@dataclass(slots=True)
class Led:
    """A turn that is yet to be written: a workflow's first, or the one after ``step``, whose outcome it has."""

    turn: Turn
    claimed: WorkflowRecord | None = None
    step: ClaimedStep | None = None
    outcome: Outcome | None = None
    shape: Shape | None = None


@dataclass(slots=True)
class Apart:
    """A step's good end that is yet to be written, apart from any turn."""

    step: ClaimedStep
    outcome: Outcome


class Batch:
    """What one worker has in hand at the same time: steps to be run next, and what is yet to be written."""

    def __init__(self, worker: Worker, over: Callable[[], bool], more: Callable[[Batch, int], None]) -> None:
        """``more(batch, count)`` adds to it up to ``count`` further pieces, if they are due."""
        self._worker = worker
        self._over = over
        self._more = partial(more, self)
        self._ready: list[ClaimedStep] = []
        self._led: list[Led] = []
        self._apart: list[Apart] = []
        self.done = 0

    def begin(self, claimed: Iterable[WorkflowRecord]) -> None:
        """Take the first turns of workflows that were claimed."""
        for each in claimed:
            self._worker.took()
            self.done += 1
            self._begin(each)
        self._write()

    def add(self, steps: Iterable[ClaimedStep]) -> None:
        """Steps that were claimed, and whose functions are quick."""
        for step in steps:
            self._worker.took()
            announce.step_started(step)
            self._ready.append(step)

    def run(self) -> ClaimedStep | None:
        """Run the steps, and those that they lead to, until the time is over or there is none, or only one more.

        Returns that one.
        """
        rounds = 0
        while len(self._ready) > 1:
            if self._over():
                self._give_back(self._ready)
                return None
            rounds += 1
            self._run_round()
            if rounds < _ROUNDS and 2 * len(self._ready) < pace.size:
                self._more(pace.size - len(self._ready))
        return self._ready[0] if self._ready else None

    def _run_round(self) -> None:
        steps, self._ready = self._ready, []
        begun = 0
        try:
            for step in steps:
                begun += 1
                self._run(step)
            self._write()
        except BaseException:
            # The worker, or its drain, ends here. What was not begun is as if it had not been claimed.
            self._rescue(steps[begun:])
            raise

    def _rescue(self, steps: Sequence[ClaimedStep]) -> None:
        try:
            self._write()
            self._give_back([*steps, *self._ready])
        except Exception:
            logger.warning("Steps are given back when the leases of worker %s end", self._worker.id, exc_info=True)
        finally:
            for led in self._led:
                led.turn.replay.close()

    def _give_back(self, steps: Iterable[ClaimedStep]) -> None:
        for step in steps:
            step_store.release(step, 0.0)

    # -- one of them

    def _begin(self, claimed: WorkflowRecord) -> None:
        try:
            turn = lead_first(claimed)
        except Exception:
            advance(claimed, None)  # once more, by itself; it says what is wrong
        else:
            self._later(Led(turn, claimed=claimed))

    def _run(self, step: ClaimedStep) -> None:
        fn = registry.functions.get((step.workflow_name, step.function))
        self.done += 1
        self._worker.begin(step)
        try:
            if fn is None or step.damage or step.lost:
                run_step(step, None)
                return
            outcome, seconds = timed(step, fn)
        except AttemptInterrupted as interrupted:
            failure = interrupted.failure
            with suppress(Exception):
                finish(step, lambda: Outcome(step.number, error=failure), None)
            raise interrupted.cause from None
        finally:
            self._worker.begin(None)
        self._take(step, outcome)
        if seconds > QUICK:
            self._write()

    def _take(self, step: ClaimedStep, outcome: Outcome) -> None:
        """What came of a step: kept to be written with the others, unless more than its workflow is concerned."""
        if outcome.error is not None or step.failures:
            insist(partial(finish, step, partial(_same, outcome), None), step)
            return
        live = live_handlers.take_waiting(step)
        if live is not None:
            try:
                self._later(Led(led(step, outcome, live), step=step, outcome=outcome))
            except (TurnVoid, WorkflowError):
                live.replay.close()  # should the handler be at fault, the turn that follows says so
            else:
                return
        self._apart.append(Apart(step, outcome))

    def _later(self, led: Led) -> None:
        """Keep a turn to be written with others of its shape; where that cannot be, it is written now, alone."""
        turn = led.turn
        if stands_alone(turn, self._worker.queue) and _goes_on_quickly(turn):
            turn.pick(self._worker.queue)
            led.shape = shape_of(turn.finish())
            self._led.append(led)
        else:
            self._write_alone(led)

    # -- writing

    def _write(self) -> None:
        """Write all that is kept."""
        groups: dict[Shape | None, list[Led]] = {}
        for led in self._led:
            groups.setdefault(led.shape, []).append(led)
        for shape, group in groups.items():
            self._write_group(shape, group)
        self._led = []
        apart, self._apart = self._apart, []
        if apart:
            self._end_apart(apart)

    def _write_group(self, shape: Shape | None, group: Sequence[Led]) -> None:
        written: Written | None = None
        if shape is not None and len(group) > 1:
            written = _together(partial(write_turns, shape, [led.turn.record for led in group]))
        for led in group:
            self._led.remove(led)
            if written is None:
                self._write_alone(led)
            elif led.turn.workflow.id in written:
                self._written(led, after_writing(led.turn, *written[led.turn.workflow.id]))
            else:
                self._void(led)

    def _written(self, led: Led, mine: ClaimedStep | None) -> None:
        if led.step is not None:
            announce.step_completed(led.step, led.turn.record.step_ends[0])
        if mine is not None:
            self._ready.append(mine)

    def _write_alone(self, led: Led) -> None:
        queue = None if led.turn.mine is None else self._worker.queue
        step = led.step
        try:
            if step is None:
                self._written(led, write_somehow(led.turn, queue))
            else:
                mine = insist(partial(write_led, step, led.turn, queue), step)
                self._ready += [] if mine is None else [mine]
        except (TurnVoid, WorkflowError):
            self._void(led)

    def _void(self, led: Led) -> None:
        """Somebody else went ahead; the outcome is kept all the same, for whoever takes the next turn."""
        led.turn.replay.close()
        if led.claimed is not None:
            advance(led.claimed, None)
        elif led.step is not None and led.outcome is not None:
            insist(partial(finish, led.step, partial(_same, led.outcome), None), led.step)

    def _end_apart(self, apart: Sequence[Apart]) -> None:
        ended = None
        if len(apart) > 1 and in_one_statement():
            ended = _together(partial(end_many_apart, [_good_end(each) for each in apart]))
        if ended is None:
            for each in apart:
                insist(partial(finish, each.step, partial(_same, each.outcome), None), each.step)
            return
        for each in apart:
            if each.step.workflow_id in ended:
                announce.step_completed(each.step, step_end(each.step, each.outcome, None))
        for step in {each.step.workflow_id: each.step for each in apart}.values():
            self._after_ends(step, ended.get(step.workflow_id))

    def _after_ends(self, step: ClaimedStep, ended: Ended | None) -> None:
        if ended is None:
            return
        if ended.others_open:
            soon.expect(ended.due_in)
        elif live_handlers.peek(step.workflow_id) is not None:
            take_turn_here(step, None)


def _same(outcome: Outcome) -> Outcome:
    return outcome


def _good_end(each: Apart) -> GoodEnd:
    here = live_handlers.peek(each.step.workflow_id) is not None
    return GoodEnd(each.step, step_end(each.step, each.outcome, None), here)


def _goes_on_quickly(turn: Turn) -> bool:
    """Whether the next step can be run in a round: quickly, and in no transaction of its own."""
    return all(
        new.kind in (StepKind.ACTION, StepKind.QUERY) and not new.pool and pace.is_quick(new.function)
        for new in turn.record.new_steps
    )


def _together(write: Callable[[], T | None]) -> T | None:
    """What ``write`` returns; ``None`` if it fails for one of them, so that each is to be written alone."""
    try:
        return insist(partial(retrying, write))
    except Exception as error:
        if passes(error):
            raise
        logger.warning("What would be written together is written one by one", exc_info=True)
        return None
