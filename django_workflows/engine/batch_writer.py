"""Writes what comes of several workflows' steps: together where that can be, else one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ..core.commands import Outcome
from ..core.journal import ClaimedStep, WorkflowRecord
from ..exceptions import WorkflowError
from ..store.database import retrying
from ..store.many_ends import GoodEnd, end_many_apart
from ..store.many_turns import Written, write_turns
from ..store.many_turns_sql import Shape
from ..store.prepared import in_one_statement
from ..store.step_statement import Ended
from ..store.transient import is_transient
from . import announce
from .advance import advance, write_somehow
from .after_turn import after_writing
from .alone import stands_alone
from .dispatch import waking_together
from .ends import TurnVoid
from .finish import finish, lead_on, take_turn_here, write_led
from .insist import insist
from .live import live_handlers
from .marks import marks
from .shaped import shaped
from .soon import soon
from .step_ends import step_end
from .turn import Turn

logger = logging.getLogger("django_workflows")
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Led:
    """A turn that is yet to be written: of a workflow that was claimed, or the one after ``step``, with its outcome."""

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


class BatchWriter:
    """Keeps turns and ends until they are written. ``ready`` are the steps that this worker is to run then."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self._led: list[Led] = []
        self._apart: list[Apart] = []
        self.ready: list[ClaimedStep] = []

    def keep(self, led: Led) -> bool:
        """Keep a turn to be written with others of its shape; False if it has to be written alone."""
        if not stands_alone(led.turn):
            return False
        led.shape = shaped(led.turn, self.queue)
        self._led.append(led)
        return True

    def add(self, led: Led) -> None:
        """Keep a turn to be written with others; where that cannot be, it is written now, alone."""
        if not self.keep(led):
            self.write_alone(led)

    def add_apart(self, step: ClaimedStep, outcome: Outcome) -> None:
        """Keep a step's good end, whose workflow waits for other steps as well."""
        self._apart.append(Apart(step, outcome))

    def take(self, step: ClaimedStep, outcome: Outcome) -> None:
        """What came of a step: kept to be written with the others, unless more than its workflow is concerned."""
        if outcome.error is not None or step.failures or step.pool:
            self.finish(step, outcome)
            return
        live = live_handlers.take_waiting(step)
        if live is not None:
            try:
                turn = lead_on(step, outcome, live)
            except (TurnVoid, WorkflowError):
                live.replay.close()  # should the handler be at fault, the turn that follows says so
            else:
                self.add(Led(turn, step=step, outcome=outcome))
                return
        self.add_apart(step, outcome)

    def finish(self, step: ClaimedStep, outcome: Outcome) -> None:
        """Write a step's end now, by itself."""
        insist(partial(finish, step, outcome, None), step)

    def expect(self, worker: str, steps: Iterable[ClaimedStep]) -> None:
        """Before these are written as running, by that worker: they are not begun, nor are those that are ready."""
        marks.expect(worker, [*self.ready, *steps])

    def write(self, worker: str = "", unbegun: Iterable[ClaimedStep] = ()) -> None:
        """Write all that is kept. ``unbegun``: what else this worker holds and has not begun."""
        groups: dict[Shape | None, list[Led]] = {}
        for each in self._led:
            groups.setdefault(each.shape, []).append(each)
        if worker:
            mine = [each.turn.mine for each in self._led if each.turn.mine is not None]
            self.expect(worker, [*unbegun, *mine])
        with waking_together():
            for shape, group in groups.items():
                self._write_group(shape, group)
        apart, self._apart = self._apart, []
        if apart:
            self._end_apart(apart)

    def write_and_leave(self) -> None:
        """Write all that is kept, so that others run the steps that follow."""
        for each in self._led:
            each.turn.unpick()
            each.shape = None
        self.write()

    def close(self) -> None:
        """Forget what could not be written; its leases bring it back."""
        for each in self._led:
            each.turn.replay.close()

    # -- turns

    def _write_group(self, shape: Shape | None, group: Sequence[Led]) -> None:
        written: Written | None = None
        if shape is not None and len(group) > 1:
            written = _together(partial(write_turns, shape, [each.turn.record for each in group]))
        for each in group:
            self._led.remove(each)
            if written is None:
                self.write_alone(each)
            elif each.turn.workflow.id in written:
                self._go_on(after_writing(each.turn, *written[each.turn.workflow.id]))
                if each.step is not None:
                    announce.step_completed(each.step, each.turn.record.step_ends[0])
            else:
                self._void(each)

    def write_alone(self, led: Led) -> None:
        """Write a turn now, with all that belongs in the same transaction."""
        queue = None if led.turn.mine is None else self.queue
        write = write_somehow if led.step is None else partial(write_led, led.step)
        try:
            self._go_on(insist(partial(write, led.turn, queue), led.step))
        except (TurnVoid, WorkflowError):
            self._void(led)

    def _go_on(self, mine: ClaimedStep | None) -> None:
        if mine is not None:
            self.ready.append(mine)

    def _void(self, led: Led) -> None:
        """Somebody else went ahead; the outcome is kept all the same, for whoever takes the next turn."""
        led.turn.replay.close()
        if led.claimed is not None:
            advance(led.claimed, None)
        elif led.step is not None and led.outcome is not None:
            self.finish(led.step, led.outcome)

    # -- ends apart from turns

    def _end_apart(self, apart: Sequence[Apart]) -> None:
        ended = None
        if len(apart) > 1 and in_one_statement():
            ended = _together(partial(end_many_apart, [_good_end(each) for each in apart]))
        if ended is None:
            for each in apart:
                self.finish(each.step, each.outcome)
            return
        for each in apart:
            if each.step.workflow_id in ended:
                announce.step_completed(each.step, step_end(each.step, each.outcome, None))
        for step in {each.step.workflow_id: each.step for each in apart}.values():
            _after_ends(step, ended.get(step.workflow_id))


def _after_ends(step: ClaimedStep, ended: Ended | None) -> None:
    if ended is None:
        return
    if ended.others_open:
        soon.expect(ended.due_in)
    elif live_handlers.peek(step.workflow_id) is not None:
        take_turn_here(step, None)


def _good_end(each: Apart) -> GoodEnd:
    here = live_handlers.peek(each.step.workflow_id) is not None
    return GoodEnd(each.step, step_end(each.step, each.outcome, None), here)


def _together(write: Callable[[], T | None]) -> T | None:
    """What ``write`` returns; ``None`` if it fails for one of them, so that each is to be written alone."""
    try:
        return insist(partial(retrying, write))
    except Exception as error:
        if is_transient(error):
            raise
        logger.warning("What would be written together is written one by one", exc_info=True)
        return None
