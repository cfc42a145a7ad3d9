"""Takes the turns of several workflows that were claimed together: read together, led one by one, written together."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from threading import Lock

from ..core.journal import WorkflowRecord
from ..exceptions import HandlerStuck
from ..store.database import retrying
from ..store.many_claims import release
from .advance import advance
from .batch_writer import BatchWriter, Led
from .dispatch import wake
from .ends import stop
from .inline_together import InlineTogether, may_settle_together
from .lead import Due, is_led_together, lead_due, lead_first, read_due
from .pace import pace
from .since import Since
from .turn import Turn


@dataclass(slots=True)
class _Held:
    """A workflow that was claimed: what was read of it, and its turn, if it was led and is yet to be written."""

    claimed: WorkflowRecord
    due: Due | None = None
    led: Led | None = None


class BatchTurns:
    """The turns of a batch. Under its ``lock``, ``running`` says how long the present one has been under way."""

    def __init__(self, worker: str, writer: BatchWriter, lock: Lock, running: Since) -> None:
        self._worker = worker
        self._writer = writer
        self._lock = lock
        self._running = running
        self._claimed: deque[_Held] = deque()
        #: To be written or, if they were not led, taken one by one, after all that can be written together.
        self._alone: deque[_Held] = deque()
        #: To be written together with what their inline steps write.
        self._inline: list[_Held] = []

    def add(self, claimed: WorkflowRecord) -> None:
        (self._claimed if is_led_together(claimed) else self._alone).append(_Held(claimed))

    def take(self) -> None:
        """Take all that were added."""
        if not self._claimed and not self._alone:
            return
        self._read()
        while (held := self._next(self._claimed)) is not None:
            self._lead(held)
        with self._lock:
            self._writer.write(self._worker)
        while self._inline:
            self._settle()
        while (held := self._next(self._alone)) is not None:
            self._take_alone(held)

    def give_back(self) -> None:
        """As if they had not been claimed, all those that are not under way. The caller has the lock."""
        held = [*self._claimed, *self._inline, *self._alone]
        self._claimed.clear()
        self._inline.clear()
        self._alone.clear()
        for each in held:
            if each.led is not None:
                each.led.turn.replay.close()
        queues = {retrying(partial(release, each.claimed, self._worker)) for each in held}
        for queue in queues - {None}:
            wake(queue or "")

    # -- inside

    def _read(self) -> None:
        later = [each for each in self._claimed if each.claimed.started_at is not None]
        found = retrying(lambda: read_due([each.claimed for each in later]))
        for each, due in zip(later, found, strict=True):
            each.due = due

    def _next(self, those: deque[_Held]) -> _Held | None:
        """The next of them, which is taken to be under way from now on."""
        with self._lock:
            if not those:
                return None
            self._running.begin()
            return those.popleft()

    def _lead(self, held: _Held) -> None:
        began = time.perf_counter()
        try:
            turn = _lead(held)
        except HandlerStuck as stuck:
            stop(held.claimed, stuck)
            return
        except Exception:  # noqa: BLE001
            turn = None  # once more, by itself; it says what is wrong
        finally:
            self._end()
            pace.note_turn(time.perf_counter() - began)
        held.led = None if turn is None else Led(turn, claimed=held.claimed)
        if held.led is None or not self._writer.keep(held.led):
            together = turn is not None and may_settle_together(turn)
            (self._inline if together else self._alone).append(held)

    def _settle(self) -> None:
        """Take turns with inline steps in one transaction, as many as there is time for."""
        with self._lock:
            held = {each.claimed.id: each for each in self._inline}
            self._inline.clear()  # they are under way: nobody gives them back
        together = InlineTogether(self._writer.queue, partial(self._writer.expect, self._worker))
        try:
            self._writer.ready += together.run([each.led.turn for each in held.values() if each.led is not None])
        finally:
            with self._lock:
                self._inline += [held[turn.workflow.id] for turn in together.left]
                apart = [held[turn.workflow.id].claimed for turn in together.apart]
                self._alone += [_Held(claimed) for claimed in apart]

    def _take_alone(self, held: _Held) -> None:
        try:
            if held.led is None:
                advance(held.claimed, None)
            else:
                self._writer.write_alone(held.led)
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._running.end()


def _lead(held: _Held) -> Turn:
    return lead_first(held.claimed) if held.due is None else lead_due(held.due)
