"""Decides what a handler does: handler and journal in, requests and ending out, the same every time.

A ``Replay`` is one handler brought to life. ``catch_up`` leads it through what its journal recorded; ``deliver`` hands
it outcomes that are new; ``take`` returns what it asked for that the journal does not have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from contextvars import Context
from datetime import datetime
from typing import Any, NoReturn, ParamSpec, TypeVar
from uuid import UUID

from ..exceptions import DeterminismViolation, HandlerStuck, InvalidArguments, InvalidPayload, WorkflowError
from .commands import Ask, Decode, Ending, Outcome, Raised, Requests, StepOptions, Succeeded, Withdrawn
from .definitions import Definition
from .journal import StepKind, StepRecord
from .limits import Limits, raise_interrupt, telling_here
from .logic import FAILED_STEP_NAMES, INSTANCE_REFERENCES
from .loop import DurableTimer, ReplayLoop, ReplayTask
from .outcomes import meant, message_of, settle, unreadable
from .script import Script
from .step_future import StepFuture, UnawaitedFuture

P = ParamSpec("P")
T = TypeVar("T")


class Replay:
    """A live handler. Not thread-safe; whoever holds it is the only one to use it.

    ``started_at`` is the recorded time of the workflow's first turn, ``continuations`` how often it was begun anew,
    ``logic`` the flags that it was started with, ``scheduled_for`` the time of the schedule that started it.
    ``surroundings()`` is entered, in the handler's context, around each call that lets it go on.
    After an exception from any method the handler's state is undefined: ``close`` it and replay from the journal.

    All that is the user's runs in a ``contextvars.Context`` of this handler's own, the same over all its turns: it sees
    nothing of whoever leads it, and leaves nothing behind there.
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
        surroundings: Callable[[], AbstractContextManager[None]] | None = None,
        logic: int = 0,
        scheduled_for: datetime | None = None,
    ) -> None:
        from .context import WorkflowContext

        self.definition = definition
        self.workflow_id = workflow_id
        self.continuations = continuations
        self.references = bool(logic & INSTANCE_REFERENCES)
        self._names_failures = bool(logic & FAILED_STEP_NAMES)
        self.scheduled_for = scheduled_for
        self.limits = limits or Limits()
        self.now = started_at
        self.script = Script()
        self.delivered = 0
        self.open: dict[int, tuple[StepFuture | DurableTimer, str, str, Decode | None]] = {}
        #: Names of steps that were asked for and that nobody has awaited yet, by number.
        self.unawaited: dict[int, str] = {}
        self.detached = False
        self._asks: list[Ask] = []
        self._dropped: list[int] = []
        self._broken: WorkflowError | None = None
        # To the type checker it is abstract: most methods are put in, as refusals, when the class is complete.
        new_loop: Any = ReplayLoop
        self._loop: ReplayLoop = new_loop(self, seed=workflow_id.int & 0xFFFFFF00)
        self._main: asyncio.Task[Any] | None = None
        self._args = args
        self._context = WorkflowContext(self)
        self._variables = Context()
        self._surroundings, self._is_surrounded = surroundings, False

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

        ``fresh`` is true when no turn of this workflow was ever recorded: the handler then asks for new steps from the
        beginning. ``reopened`` is true when steps were dropped since its last turn, so that it asks for them again.
        ``canceled_at`` is the delivery at which a cancellation was handed over. Raises ``DeterminismViolation`` when
        the handler does not ask for what the journal recorded.
        """
        if self._surroundings is not None and not self._is_surrounded:
            self._surrounded(self.catch_up, records, fresh=fresh, reopened=reopened, canceled_at=canceled_at)
            return
        records = list(records)
        over = self.script.read(records)
        self.script.replaying, self.script.strict = not fresh, not (fresh or reopened)
        if self._main is None:
            (self._tell if fresh else self.inside)(self._start)
        for delivery, recorded in self._deliveries(records, canceled_at):
            self.delivered = delivery
            if recorded is None:
                self.inside(self._cancel)
            else:
                outcome = Outcome(recorded.number, recorded.result, recorded.error)
                self._hand_over(outcome, recorded.delivered_at)
        if not fresh:
            self._hold_against(self.script.check_all_asked)
        self._dropped = [number for number in self._dropped if number not in over]
        self.script.replaying = self.script.strict = False

    def _deliveries(
        self, records: Iterable[StepRecord], canceled_at: int | None
    ) -> Iterator[tuple[int, StepRecord | None]]:
        """What was handed over beyond what this handler has seen, in order; ``None`` stands for the cancellation."""
        found: dict[int, StepRecord | None] = {record.delivery: record for record in records if record.delivery}
        if canceled_at is not None:
            found[canceled_at] = None
        return ((delivery, found[delivery]) for delivery in sorted(found) if delivery > self.delivered)

    def deliver(self, outcome: Outcome, at: datetime | None) -> int:
        """Hand over an outcome that is new, and run the handler until it waits; returns the delivery's number."""
        self.delivered += 1
        if self._surroundings is None or self._is_surrounded:
            self._tell_by(self._hand_over, outcome, at)
        else:
            self._tell(self._hand_over, outcome, at)
        return self.delivered

    def read_event(self, outcome: Outcome) -> Outcome:
        """The same with its value, or with an error in its place if its wait cannot read it. Not for what is recorded.

        Values are checked when they are sent, but a wait that begins later may be of another type.
        """
        target, _, _, decode = self.open.get(outcome.number, (None, "", "", None))
        if target is None or decode is None or outcome.result is None or outcome.error is not None:
            return outcome
        try:
            return Outcome(outcome.number, outcome.result, None, self.inside(decode, outcome.result), True)
        except Exception as error:  # noqa: BLE001 - validators are users' code
            return Outcome(outcome.number, error=unreadable(error))

    def cancel(self) -> int:
        """Raise ``CancelledError`` where the handler waits; returns the number of this delivery."""
        self.delivered += 1
        self._tell(self._cancel)
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
        return Succeeded(self._main.result()) if error is None else Raised(meant(error))

    def never_awaited(self) -> dict[int, str]:
        """Names of the steps that the handler asked for and has not awaited, by number.

        Those as well that only a task awaits which nobody awaits, and which goes on: a ``step.map`` that was dropped.
        """
        found = dict(self.unawaited)
        for number, (future, _, name, _) in self.open.items():
            if isinstance(future, StepFuture) and isinstance(future.asker, ReplayTask) and future.asker.is_abandoned:
                found[number] = name
        return dict(sorted(found.items()))

    def inside(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``work``, which calls what is the user's, where it sees what the handler does.

        In a copy of the handler's context: its tasks enter that itself, and Python allows this once at a time.
        """
        if self._surroundings is not None and not self._is_surrounded:
            found: T = self._surrounded(self.inside, work, *args, **kwargs)
            return found
        return self._variables.copy().run(work, *args, **kwargs)

    def _tell(self, work: Callable[..., None], *args: Any) -> None:
        """``inside`` for what is new to the handler."""
        self._tell_by(self.inside, work, *args)

    def _tell_by(self, call: Callable[..., None], *args: Any) -> None:
        telling = telling_here.now
        if telling is not None:
            telling.is_told = True
            telling.count += 1
        try:
            call(*args)
        finally:
            if telling is not None:
                telling.is_told = False

    def _surrounded(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call ``work`` in the surroundings that were given, which are entered and left in the handler's context."""
        assert self._surroundings is not None
        manager = self._variables.run(self._surroundings)
        self._variables.run(manager.__enter__)
        self._is_surrounded = True
        try:
            result = work(*args, **kwargs)
        except BaseException as error:
            self._is_surrounded = False
            self._variables.run(manager.__exit__, type(error), error, error.__traceback__)
            raise
        self._is_surrounded = False
        self._variables.run(manager.__exit__, None, None, None)
        return result

    def close(self) -> None:
        """Set the handler aside. Its ``finally`` blocks run, and nothing that they ask for is heard."""
        self.detached = True
        if self._surroundings is None or self._is_surrounded or self._main is None or self._main.done():
            self._loop.abandon()
        else:
            try:
                self._surrounded(self._loop.abandon)
            except WorkflowError:
                self._loop.abandon()
        self.open.clear()

    # -- what the context and the loop call

    def ask(self, ask: Ask, decode: Decode | None = None) -> StepFuture:
        """Number a step, hold it against the journal, and return the future of its outcome."""
        future = UnawaitedFuture(loop=self._loop)
        future._order = self._loop.next_order()
        future.replay = self
        future.number = -1
        if not self.detached:
            future.number = self._number(ask)
            self.open[future.number] = (future, ask.kind, ask.name, decode)
            self.unawaited[future.number] = ask.name
            future.asker = asyncio.current_task(self._loop)
        return future

    def patched(self, patch_id: str) -> bool:
        """Whether this workflow had not passed this point when the patch came; recorded the first time."""
        decision = True if self.detached else self.script.patch_decision(patch_id)
        if decision is None:
            self._number(Ask(0, StepKind.PATCH, patch_id, "{}", options=StepOptions(name=patch_id)))
        return decision is not False

    @property
    def next_number(self) -> int:
        """The number of the step that the handler asks for next."""
        return self.script.next_number

    @property
    def replaying(self) -> bool:
        """Whether the handler is being led through what it did before."""
        return self.script.replaying

    def rename(self, number: int, name: str) -> None:
        """Call an open step by another name: a wait by an event's id, once it is known which event that is."""
        if number in self.open:
            future, kind, _, decode = self.open[number]
            self.open[number] = (future, kind, name, decode)

    def drop(self, number: int) -> None:
        if not self.detached and self.open.pop(number, None) is not None:
            self._dropped.append(number)

    def time(self) -> float:
        return self.now.timestamp()

    def set_timer(self, timer: DurableTimer, delay: float) -> None:
        delay = round(delay, 6)
        timer.number = self._number(Ask(0, StepKind.SLEEP, "sleep", f'{{"seconds":{delay!r}}}', delay=delay))
        self.open[timer.number] = (timer, StepKind.SLEEP, "sleep", None)

    def drop_timer(self, timer: DurableTimer) -> None:
        self.drop(timer.number)

    # -- inside

    def _start(self) -> None:
        args, kwargs = self._decoded(self._arguments)
        coroutine = self.definition.handler(self._context, *args, **kwargs)
        self._main = self._loop.create_task(coroutine, name=self.definition.name, context=self._variables)
        self._run()

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            return self.definition.signature.decode_arguments(self._args, for_workflows=self.references)
        except InvalidArguments:
            raise
        except Exception as error:  # a row that an older workflow reads here is gone
            raise InvalidArguments(f"the stored arguments of {self.definition.name} cannot be read: {error}") from error

    def _hand_over(self, outcome: Outcome, at: datetime | None) -> None:
        if at is not None and at > self.now:
            self.now = at
        self._hold_against(self.script.check_reached, outcome.number)
        target, kind, name, decode = self.open.pop(outcome.number, (None, "", "", None))
        if isinstance(target, DurableTimer):
            self._loop.fire(target)
        elif target is not None and not target.done():
            failed = name if self._names_failures else ""
            if outcome.has_value or getattr(getattr(decode, "__self__", None), "calls_nobody", False):
                settle(target, kind, failed, decode, outcome)
            else:
                self.inside(self._decoded, settle, target, kind, failed, decode, outcome)
        self._run()

    def _decoded(self, decode: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``decode`` returns; ``InvalidPayload`` for what a validator of the user's raises beside exceptions."""
        try:
            return decode(*args, **kwargs)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise_interrupt(error, self.limits.interrupts)
            reason = f"{type(error).__name__}: {message_of(error)}"
            raise InvalidPayload(f"a stored value cannot be read: {reason}") from error

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
                if isinstance(error, self.limits.interrupts):
                    raise
                if not self._loop.is_outcome(error):
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    self._break(WorkflowError(f"{self.definition.name}: a callback of its event loop raised {error!r}"))
        if self._broken is not None:
            raise self._broken
        if self.limits.interrupts and self._main.done() and not self._main.cancelled():
            raise_interrupt(self._main.exception(), self.limits.interrupts)

    def _number(self, ask: Ask) -> int:
        if self._broken is not None:
            raise self._broken
        if self._hold_against(self.script.number, ask):
            self._request(ask)
        return ask.number

    def _request(self, ask: Ask) -> None:
        if len(self._asks) >= self.limits.asks:
            self._break(
                HandlerStuck(
                    f"{self.definition.name} asked for more than {self.limits.asks:,} steps without waiting for one. "
                    "Await steps as you go (step.map does, with a limit), or raise MAX_STEPS_PER_TURN."
                )
            )
        self._asks.append(ask)

    def _hold_against(self, check: Callable[..., Any], *args: Any) -> Any:
        try:
            return check(*args)
        except DeterminismViolation as error:
            self._break(error)

    def _break(self, error: WorkflowError) -> NoReturn:
        """Stop the handler for good. It may catch the error, but will not be run again."""
        self._broken = self._broken or error
        self._loop.stop()
        raise self._broken from None
