"""Leads several workflows side by side while their steps are quick, and writes what comes of a round together.

One worker runs one step at a time all the same, and of each workflow every step is committed before the next begins.
What is shared is the commit: one for a round, instead of one for each workflow's step.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from threading import Lock

from ..conf import settings
from ..core.journal import ClaimedStep, StepKind, WorkflowRecord
from ..core.registry import registry
from ..store import attempts
from ..store.database import clock
from ..store.transient import is_away
from . import announce
from .batch_turns import BatchTurns
from .batch_writer import BatchWriter
from .dispatch import wake
from .finish import put_off
from .in_flight import flights
from .invoke import AttemptInterrupted
from .landing import launch
from .marks import marks
from .mutate_together import MutationsTogether, may_be_together
from .pace import QUICK
from .relief import relief
from .run_step import end_interrupted, run_step
from .since import Since
from .timed import timed
from .worker import Worker
from .write_shared import Apart

logger = logging.getLogger("django_workflows")

#: After so many rounds nothing is added any more, so that its worker looks again at what is most urgent.
_ROUNDS = 16
#: Seconds after which a step, or a turn, that was taken for quick keeps its neighbours waiting for too long.
_STALL = 0.1


class Batch:
    """What one worker has in hand at the same time: turns to be taken, steps to be run, and what is yet to be written.

    Should a step that was quick so far take its time, or a turn, ``relieve``, called by another thread, writes what is
    done and gives back what was not begun, so that nothing waits for it.
    """

    def __init__(
        self,
        worker: Worker,
        over: Callable[[], bool],
        size: Callable[[], int],
        more: Callable[[Batch, int], bool],
    ) -> None:
        """``size()`` is how much it may hold. ``more(batch, count)`` adds up to ``count``; whether it did."""
        self._worker = worker
        self._over = over
        self._size = size
        self._more = partial(more, self)
        self._lock = Lock()
        self._running = Since()
        self._round: deque[ClaimedStep] = deque()
        self._mutations: list[ClaimedStep] = []
        self._writer = BatchWriter(worker.queue)
        self._turns = BatchTurns(worker.id, self._writer, self._lock, self._running)
        self.done = 0

    def begin(self, claimed: Iterable[WorkflowRecord]) -> None:
        """Workflows that were claimed, whose turns are to be taken."""
        for each in claimed:
            self._worker.took()
            self.done += 1
            self._turns.add(each)

    def add(self, steps: Iterable[ClaimedStep]) -> None:
        """Steps that were claimed, and whose functions are quick."""
        for step in steps:
            self._worker.took()
            announce.step_started(step)
        self.go_on(steps)

    def go_on(self, steps: Iterable[ClaimedStep]) -> None:
        """Steps that this worker has written as running, or claimed."""
        self._writer.ready += steps
        marks.expect(self._worker.id, self._writer.ready)

    def run(self) -> ClaimedStep | None:
        """Take the turns, run the steps, and those that they lead to, until the time is over or nothing is to be added.

        Returns a last step, if one is left: it is run alone.
        """
        rounds, more = 0, True
        try:
            with relief.of(self):
                self._turns.take()
                while (more or len(self._writer.ready) > 1) and not self._over():
                    rounds += 1
                    if len(self._writer.ready) > 1:
                        self._run_round()
                    more = rounds < _ROUNDS and self._add_more()
                    self._turns.take()
            if len(self._writer.ready) == 1:
                return self._writer.ready.pop()
        finally:
            self._leave()
        return None

    def _add_more(self) -> bool:
        size = self._size()
        lacking = size - len(self._writer.ready)
        return 2 * lacking > size and self._more(lacking)

    # -- one round of steps

    def _run_round(self) -> None:
        for step in self._writer.ready:
            if launch(step):
                self.done += 1
                continue
            (self._mutations if may_be_together(step) else self._round).append(step)
        self._writer.ready.clear()
        flights.all_launched()
        self._run_each()
        with self._lock:
            self._writer.write(self._worker.id, self._mutations)
            mutations, self._mutations = self._mutations, []
        if mutations:
            self._mutate(mutations)

    def _run_each(self) -> None:
        last = None
        while (step := self._next()) is not None:
            self._run(last := step)
        if last is not None:
            self._worker.timer.give_back(last)

    def _mutate(self, steps: list[ClaimedStep]) -> None:
        """Run mutations in one transaction; if that cannot be, each in its own."""
        together = MutationsTogether(self._worker.queue, partial(self._writer.expect, self._worker.id))
        try:
            self._writer.ready += together.run(steps)
        except Apart:
            self._round.extend(steps)
            self._run_each()
        except AttemptInterrupted as interrupted:
            assert together.running is not None
            self._mutations = [step for step in steps if step is not together.running]
            end_interrupted(together.running, interrupted)
        else:
            self.done += len(steps)

    def _next(self) -> ClaimedStep | None:
        """The next step of this round, which is taken to be running from now on.

        If this process stood still for long, none: what it has not begun may be another's by now, or soon.
        """
        with self._lock:
            if self._round and _is_old(self._round[0]):
                self._give_back()
            if not self._round:
                return None
            step = self._round.popleft()
            marks.begun(step)
            self._running.begin()
            return step

    def _run(self, step: ClaimedStep) -> None:
        fn = registry.functions.get((step.workflow_name, step.function))
        self.done += 1
        self._worker.begin(step)
        try:
            if fn is None or step.damage or step.lost or step.kind == StepKind.MUTATION:
                run_step(step, None)
                return
            outcome, seconds = timed(step, fn)
        except AttemptInterrupted as interrupted:
            end_interrupted(step, interrupted)
        except Exception as error:
            if not put_off(step, error):
                raise
            return
        finally:
            self._worker.begin(None)
            with self._lock:
                self._running.end()
        self._writer.take(step, outcome)
        if seconds > QUICK:
            with self._lock:
                self._writer.write(self._worker.id, self._round)

    # -- when it does not go on

    def relieve(self) -> None:
        """For another thread: if a step or turn has been running for too long, let nothing wait for it."""
        with self._lock:
            if self._running.longer_than(_STALL):
                self._writer.write_and_leave()
                self._give_back()

    def _leave(self) -> None:
        """Write what is kept, and give back what was not begun, as if it had not been claimed."""
        with self._lock:
            try:
                self._writer.write(self._worker.id, self._round)
                self._give_back()
                marks.clear()
            except Exception as error:
                # What is marked stays so, for whoever gives back what this worker has abandoned.
                about = None if is_away(error) else error
                logger.warning("What worker %s holds is due when its leases end", self._worker.id, exc_info=about)
            finally:
                self._writer.close()

    def _give_back(self) -> None:
        self._turns.give_back()
        steps = [*self._round, *self._mutations, *self._writer.ready]
        self._round.clear()
        self._mutations.clear()
        self._writer.ready.clear()
        for step in steps:
            marks.begun(step)  # whoever claims it next may begin it, be it this worker
            attempts.release(step.attempt_id, 0.0)
        for queue in {step.queue for step in steps}:
            wake(queue)


def _is_old(step: ClaimedStep) -> bool:
    """Whether much of the lease is over under which a step was claimed that was not begun since."""
    return bool((clock.estimate() - step.started_at).total_seconds() > settings.LEASE / 2)
