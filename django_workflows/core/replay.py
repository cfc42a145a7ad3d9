"""Decides what a handler does: handler and journal in, requests and ending out, the same every time.

A ``Replay`` is one handler brought to life. ``catch_up`` leads it through what its journal recorded; ``deliver`` hands it
outcomes that are new; ``take`` returns what it asked for that the journal does not have.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..exceptions import DeterminismViolation, HandlerStuck, InvalidPayload, WorkflowError
from .commands import Ask, Ending, Outcome, Raised, Requests, StepOptions, Succeeded, Withdrawn
from .definitions import Definition
from .journal import FINISHED_STATES, OPEN_STATES, StepKind, StepRecord
from .loop import DurableTimer, ReplayFuture, ReplayLoop
from .outcomes import exception_of
from .payloads import same_json

Decode = Callable[[str], Any]


class StepFuture(ReplayFuture):
    """The outcome of step ``number``; canceling it drops the step."""

    number: int
    replay: Replay

    def cancel(self, msg: Any | None = None) -> bool:
        changed = super().cancel(msg)
        if changed:
            self.replay.drop(self.number)
        return changed


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one turn may go, and how large what it asks for may be.

    ``interrupts`` are exceptions that others raise in the handler from outside, a timeout for example: they end the turn
    and not the handler.
    """

    asks: int = 20_000
    payload_bytes: int = 1024 * 1024
    interrupts: tuple[type[BaseException], ...] = ()


class Replay:
    """A live handler. Not thread-safe; whoever holds it is the only one to use it.

    ``started_at`` is the recorded time of the workflow's first turn, ``continuations`` how often it was begun anew. After an exception from any method the handler's
    state is undefined: ``close`` it and replay from the journal.
    """

    def __init__(
        self,
        definition: Definition[Any, Any],
        workflow_id: UUID,
        args: str,
        started_at: datetime,
        limits: Limits | None = None,
        *,
        continuations: int = 0,
    ) -> None:
        from .context import WorkflowContext

        self.definition = definition
        self.workflow_id = workflow_id
        self.continuations = continuations
        self.limits = limits or Limits()
        self.now = started_at
        self.replaying = True
        self.delivered = 0
        self.next_number = 0
        self.open: dict[int, tuple[StepFuture | DurableTimer, str, Decode | None]] = {}
        self.detached = False
        self._lenient = False
        self._records: dict[int, StepRecord] = {}
        self._asks: list[Ask] = []
        self._dropped: list[int] = []
        self._broken: WorkflowError | None = None
        self._patches: dict[str, bool] = {}
        self._loop = ReplayLoop(self, seed=workflow_id.int & 0xFFFFFF00)
        self._main: asyncio.Task[Any] | None = None
        self._args = args
        self._context = WorkflowContext(self)

    # -- leading the handler

    def catch_up(
        self,
        records: Iterable[StepRecord],
        *,
        fresh: bool = False,
        reopened: bool = False,
        canceled_at: int | None = None,
    ) -> None:
        """Lead the handler through everything that was recorded beyond what it has seen.

        ``fresh`` is true when no turn of this workflow was ever recorded: the handler then asks for new steps from
        the beginning. ``reopened`` is true when steps were dropped since its last turn, so that it asks for them again. ``canceled_at`` is the delivery at which a cancellation was handed over. Raises
        ``DeterminismViolation`` when the handler does not ask for what the journal recorded.
        """
        deliveries: dict[int, StepRecord | None] = {}
        over = set()
        for record in records:
            if record.number >= self.next_number:
                self._records[record.number] = record
                if record.kind == StepKind.PATCH:
                    self._patches.setdefault(record.name, True)
            if record.state not in OPEN_STATES:
                over.add(record.number)
            if record.delivery is not None and record.delivery > self.delivered:
                deliveries[record.delivery] = record
        if canceled_at is not None and canceled_at > self.delivered:
            deliveries[canceled_at] = None
        self.replaying = not fresh
        self._lenient = fresh or reopened
        if self._main is None:
            self._start()
        for delivery in sorted(deliveries):
            recorded = deliveries[delivery]
            self.delivered = delivery
            if recorded is None:
                self._cancel()
            else:
                self._hand_over(Outcome(recorded.number, recorded.result, recorded.error), recorded.delivered_at)
        if not fresh:
            self._check_all_asked()
        self._dropped = [number for number in self._dropped if number not in over]
        self.replaying = self._lenient = False

    def deliver(self, outcome: Outcome, at: datetime | None) -> int:
        """Hand over an outcome that is new, and run the handler until it waits; returns the delivery's number."""
        self.delivered += 1
        self._hand_over(outcome, at)
        return self.delivered

    def cancel(self) -> int:
        """Raise ``CancelledError`` where the handler waits; returns the number of this delivery."""
        self.delivered += 1
        self._cancel()
        return self.delivered

    def take(self) -> Requests:
        """What the handler asked for and gave up since the last call, and how it ended, if it did."""
        requests = Requests(self._asks, self._dropped, self.ending())
        self._asks, self._dropped = [], []
        return requests

    def ending(self) -> Ending | None:
        """How the handler ended; ``None`` while it waits."""
        if self._main is None or not self._main.done():
            return None
        if self._main.cancelled():
            return Withdrawn()
        error = self._main.exception()
        return Succeeded(self._main.result()) if error is None else Raised(error)

    def close(self) -> None:
        """Set the handler aside. Its ``finally`` blocks run, and nothing that they ask for is heard."""
        self.detached = True
        self._loop.abandon()
        self.open.clear()

    # -- what the context and the loop call

    def ask(self, ask: Ask, decode: Decode | None = None) -> StepFuture:
        """Number a step, hold it against the journal, and return the future of its outcome."""
        future = StepFuture(loop=self._loop)
        future._order = self._loop.next_order()
        future.replay = self
        future.number = -1
        if not self.detached:
            future.number = self._number(ask)
            self.open[future.number] = (future, ask.kind, decode)
        return future

    def patched(self, patch_id: str) -> bool:
        """Whether this workflow had not passed this point when the patch came; recorded the first time."""
        if patch_id not in self._patches and not self.detached:
            self._patches[patch_id] = self._decide_patch(patch_id)
        return self._patches.get(patch_id, True)

    def drop(self, number: int) -> None:
        if not self.detached and self.open.pop(number, None) is not None:
            self._dropped.append(number)

    def time(self) -> float:
        return self.now.timestamp()

    def set_timer(self, timer: DurableTimer, delay: float) -> None:
        delay = round(delay, 6)
        timer.number = self._number(Ask(0, StepKind.SLEEP, "sleep", f'{{"seconds":{delay!r}}}', delay=delay))
        self.open[timer.number] = (timer, StepKind.SLEEP, None)

    def drop_timer(self, timer: DurableTimer) -> None:
        self.drop(timer.number)

    # -- inside

    def _start(self) -> None:
        args, kwargs = self.definition.signature.decode_arguments(self._args)
        coroutine = self.definition.handler(self._context, *args, **kwargs)
        self._main = self._loop.create_task(coroutine, name=self.definition.name)
        self._run()

    def _hand_over(self, outcome: Outcome, at: datetime | None) -> None:
        if at is not None and at > self.now:
            self.now = at
        if outcome.number >= self.next_number:
            record = self._records.get(outcome.number)
            shown = describe(record.kind, record.name, record.args) if record else "the outcome of a step"
            self._break(DeterminismViolation(outcome.number, shown, None))
        target, kind, decode = self.open.pop(outcome.number, (None, "", None))
        if isinstance(target, DurableTimer):
            self._loop.fire(target)
        elif target is not None and not target.done():
            self._settle(target, kind, decode, outcome)
        self._run()

    def _settle(self, future: StepFuture, kind: str, decode: Decode | None, outcome: Outcome) -> None:
        if outcome.error is not None:
            future.set_exception(exception_of(kind, outcome.error))
        elif outcome.has_value:
            future.set_result(outcome.value)
        elif outcome.result is None:
            future.set_result(None)
        else:
            future.set_result(_decode(outcome, decode or json.loads))

    def _cancel(self) -> None:
        if self._main is not None and not self._main.done():
            self._main.cancel()
            self._run()

    def _run(self) -> None:
        assert self._main is not None
        while True:
            try:
                self._loop.run_until_idle(self._main)
                break
            except (SystemExit, KeyboardInterrupt) as error:
                # asyncio lets these through, after it made them the task's outcome: then they are the handler's own.
                if isinstance(error, self.limits.interrupts) or not self._loop.is_outcome(error):
                    raise
        if self._broken is not None:
            raise self._broken
        if self.limits.interrupts and self._main.done() and not self._main.cancelled():
            _raise_interrupt(self._main.exception(), self.limits.interrupts)

    def _number(self, ask: Ask) -> int:
        if self._broken is not None:
            raise self._broken
        number = self._skip_patches()
        ask.number = number
        self.next_number = number + 1
        record = self._records.pop(number, None)
        if record is not None:
            self._compare(record, ask)
        elif self.replaying and not self._lenient:
            self._break(DeterminismViolation(number, None, describe(ask.kind, ask.name, ask.args)))
        elif len(self._asks) >= self.limits.asks:
            self._break(
                HandlerStuck(
                    f"{self.definition.name} asked for more than {self.limits.asks:,} steps without waiting for one. "
                    "Await steps as you go (step.map does, with a limit), or raise MAX_STEPS_PER_TURN."
                )
            )
        else:
            self._asks.append(ask)
        return number

    def _skip_patches(self) -> int:
        """The next number, beyond markers of patches that the code no longer asks about."""
        number = self.next_number
        while (record := self._records.get(number)) is not None and record.kind == StepKind.PATCH:
            del self._records[number]
            number += 1
        return number

    def _decide_patch(self, patch_id: str) -> bool:
        # Those that the journal has a marker of, wherever it is, are decided when the journal is read.
        if self.replaying and (self._records or not self._lenient):
            return False
        self._number(Ask(0, StepKind.PATCH, patch_id, "{}", options=StepOptions(name=patch_id)))
        return True

    def _compare(self, record: StepRecord, ask: Ask) -> None:
        if (
            record.kind == ask.kind
            and record.name == ask.name
            and (record.args == ask.args or ask.options.unstable_args or same_json(record.args, ask.args))
        ):
            return
        self._break(
            DeterminismViolation(
                ask.number,
                describe(record.kind, record.name, record.args),
                describe(ask.kind, ask.name, ask.args),
            )
        )

    def _check_all_asked(self) -> None:
        self.next_number = self._skip_patches()
        if self._records:
            record = self._records[min(self._records)]
            self._break(DeterminismViolation(record.number, describe(record.kind, record.name, record.args), None))

    def _break(self, error: WorkflowError) -> None:
        """Stop the handler for good. It may catch the error, but will not be run again."""
        self._broken = self._broken or error
        self._loop.stop()
        raise self._broken


def describe(kind: str, name: str, args: str) -> str:
    """A step as a mismatch shows it."""
    shown = args if len(args) <= 200 else f"{args[:200]}..."
    return f"{kind} {name} {shown}"


def _decode(outcome: Outcome, decode: Decode) -> Any:
    assert outcome.result is not None
    try:
        return decode(outcome.result)
    except InvalidPayload as error:
        raise InvalidPayload(f"the result of step {outcome.number}: {error}") from error


def _raise_interrupt(error: BaseException | None, interrupts: tuple[type[BaseException], ...]) -> None:
    """Raise what interrupted the handler, which may have come out of it in a group."""
    while isinstance(error, BaseExceptionGroup):
        found = error.subgroup(interrupts)
        error = None if found is None else found.exceptions[0]
    if isinstance(error, interrupts):
        raise error


def undelivered(records: Iterable[StepRecord]) -> list[StepRecord]:
    """Steps that ended and were not handed over yet, in the order in which they ended. Nobody waits for patch markers."""
    waiting = [
        record
        for record in records
        if record.delivery is None and record.state in FINISHED_STATES and record.kind != StepKind.PATCH
    ]
    return sorted(waiting, key=lambda record: (record.finished_at is None, record.finished_at, record.number))
