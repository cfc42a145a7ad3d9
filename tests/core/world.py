"""One workflow in memory: its journal is a list, its turns are the engine's, and every turn is replayed to compare.

A ``World`` takes turns as the engine does: lead a handler through the journal, hand over what is new, write what it
asked for. A test decides what ends when. After each turn the journal is replayed from zero, twice, and must lead to the
very same place, so each test that gets to its end has also shown that its handler replays.
"""

from __future__ import annotations

import contextvars
import copy
import dataclasses
import json
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django_workflows.core.commands import Ask, Ending, Outcome, Raised, Succeeded, Withdrawn
from django_workflows.core.definitions import Definition
from django_workflows.core.journal import FINISHED_STATES, OPEN_STATES, StepKind, StepRecord, StepState, undelivered
from django_workflows.core.limits import Limits
from django_workflows.core.outcomes import TIMEOUT_TYPE, failure_of
from django_workflows.core.replay import Replay
from django_workflows.core.signatures import Signature

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORKFLOW_ID = UUID("0195512e-7c00-7000-8000-0123456789ab")
Handler = Callable[..., Coroutine[Any, Any, Any]]

_trace: contextvars.ContextVar[list[Any]] = contextvars.ContextVar("trace")


def note(*values: Any) -> None:
    """Said by a handler under test: what it sees at this point, which a replay must see too."""
    _trace.get().append(values[0] if len(values) == 1 else values)


@dataclass
class Turn:
    """What one turn is about to write."""

    at: datetime
    delivered: int
    new: list[StepRecord] = field(default_factory=list)
    ends: list[StepRecord] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    canceled_at: int | None = None
    ending: str | None = None


class World:
    """A workflow that runs ``handler(step, *args, **kwargs)``."""

    def __init__(
        self, handler: Handler, *args: Any, workflow_id: UUID = WORKFLOW_ID, limits: Limits | None = None, **kwargs: Any
    ) -> None:
        self.definition = Definition(name="tests.core.flow", handler=handler)
        self.args = self.definition.signature.encode_arguments(
            args, kwargs, what="arguments", max_bytes=1_000_000, apply_defaults=True
        )
        self.workflow_id = workflow_id
        self.limits = limits
        self.continuations = 0
        self.now = NOON
        self.started_at: datetime | None = None
        self.journal: list[StepRecord] = []
        self.functions: dict[int, Callable[..., Any]] = {}
        self.events: list[tuple[str, str]] = []
        self.cancel_requested = False
        self.canceled_at: int | None = None
        self.delivered = 0
        self.ending: Ending | None = None
        self.alive: dict[str, Replay] = {}
        self.traces: dict[Replay, list[Any]] = {}
        self.seen: dict[int, int] = {0: 0}
        self.places: dict[int, dict[str, Any]] = {}

    # -- the journal, as tests look at it

    @property
    def result(self) -> Any:
        """What the handler returned."""
        assert isinstance(self.ending, Succeeded), f"the handler did not return: {self.ending}"
        return self.ending.value

    @property
    def error(self) -> BaseException:
        """What the handler raised."""
        assert isinstance(self.ending, Raised), f"the handler raised nothing: {self.ending}"
        return self.ending.error

    @property
    def asked(self) -> list[str]:
        """All steps so far, by their names and arguments: ``echo(1)``."""
        return [shown(record) for record in self.journal]

    @property
    def open(self) -> list[StepRecord]:
        """The steps that have not ended."""
        return [record for record in self.journal if record.state in OPEN_STATES]

    @property
    def trace(self) -> list[Any]:
        """What the handler has noted."""
        [replay] = self.alive.values()
        return self.traces[replay]

    # -- what the outside does

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def send_event(self, name: str, value: Any = None) -> None:
        """Send an event: to the first step that waits for it, or to wait for one."""
        waiting = [record for record in self.open if record.kind == StepKind.EVENT and record.name == name]
        if waiting:
            self.end(waiting[0].number, value)
        else:
            self.events.append((name, json.dumps(value)))

    def end(self, number: int, value: Any = None) -> None:
        """Let a step end with a JSON value."""
        self._end(number, StepState.COMPLETED, result=json.dumps(value))

    def fail(self, number: int, error: BaseException) -> None:
        """Let a step fail with an exception."""
        self._end(number, StepState.FAILED, error=failure_of(error))

    def execute(self, number: int) -> None:
        """Run a step's own function on the arguments in the journal, and let it end as that does."""
        outcome = execute(self.journal[number], self.functions[number])
        state = StepState.FAILED if outcome.error else StepState.COMPLETED
        self._end(number, state, result=outcome.result, error=outcome.error)

    def _end(self, number: int, state: StepState, **what: Any) -> None:
        record = self.journal[number]
        assert record.state in OPEN_STATES, f"step {number} is {record.state}"
        self.pass_time(0.001)
        record.state, record.due_at, record.finished_at = state, None, self.now
        record.result, record.error = what.get("result"), what.get("error")

    def let_pass(self, number: int) -> None:
        """Let so much time pass that a wait is over."""
        due = self.journal[number].due_at
        assert due is not None, f"step {number} waits for no instant"
        self.now = max(self.now, due)

    # -- what the engine does

    def turn(self, process: str = "worker", *, keep: bool = True) -> None:
        """Take a turn, write it, and compare what its handler and a replay from zero have come to.

        Handlers stay alive in the process that took the turn; without ``keep`` they never do.
        """
        turn = self.begin(process)
        self.write(turn)
        self.check_deliveries()
        self.compare(self.alive[process])
        if not keep or self.ending is not None:
            self.crash(process)

    def begin(self, process: str = "worker") -> Turn:
        """A turn that is not written yet."""
        self.pass_time(0.001)
        live = self.alive.get(process)
        if live is None:
            live = self.alive[process] = self.handler()
        turn = Turn(self.now, self.delivered)
        records = self.load(live)
        self.lead(live, records)
        pending: list[Ask] = []
        self._absorb(live, turn, pending)
        for record in _ended(records, self.now):
            self._deliver(live, turn, record)
            self._absorb(live, turn, pending)
        if self.cancel_requested and self.canceled_at is None:
            turn.canceled_at = turn.delivered = live.cancel()
            self._absorb(live, turn, pending)
        self._settle(live, turn, pending)
        return turn

    def write(self, turn: Turn) -> None:
        """Make a turn part of the journal."""
        self.started_at = self.started_at or turn.at
        self.delivered = turn.delivered
        self.canceled_at = self.canceled_at or turn.canceled_at
        for end in turn.ends:
            self.journal[end.number] = end
        for new in sorted(turn.new, key=lambda record: record.number):
            assert new.number == len(self.journal), "numbers are dense"
            self.journal.append(new)
        for index in sorted(turn.taken, reverse=True):
            del self.events[index]
        for number in turn.dropped:
            if self.journal[number].state in OPEN_STATES:
                self.journal[number].state = StepState.CANCELED
                self.journal[number].due_at = None

    def crash(self, process: str = "worker") -> None:
        """Let a process forget the handler that it keeps."""
        live = self.alive.pop(process, None)
        if live is not None:
            live.close()

    def close(self) -> None:
        """Let all processes forget."""
        for process in list(self.alive):
            self.crash(process)

    def handler(self) -> Replay:
        """The handler, not begun."""
        began = self.started_at or self.now
        return Replay(
            self.definition, self.workflow_id, self.args, began, self.limits, continuations=self.continuations
        )

    def load(self, live: Replay) -> list[StepRecord]:
        """What the engine reads of the journal for a handler that has come that far."""
        return [
            dataclasses.replace(record)
            for record in self.journal
            if record.number >= live.next_number or record.number in live.open
        ]

    def lead(self, live: Replay, records: list[StepRecord], canceled_at: int | None = None) -> None:
        """Lead a handler through records, listening to what it notes."""
        _listen(live, self.traces.setdefault(live, []))
        live.catch_up(records, fresh=self.started_at is None, canceled_at=canceled_at or self.canceled_at)

    def _deliver(self, live: Replay, turn: Turn, record: StepRecord) -> None:
        turn.delivered = live.deliver(Outcome(record.number, record.result, record.error), self.now)
        record.delivery, record.delivered_at = turn.delivered, self.now
        turn.ends.append(record)

    def _absorb(self, live: Replay, turn: Turn, pending: list[Ask]) -> None:
        requests = live.take()
        assert not [ask for ask in requests.asks if ask.number < len(self.journal)], "what is asked for is new"
        for ask in requests.asks:
            self.functions[ask.number] = ask.function
            if ask.kind in (StepKind.EVENT, StepKind.CREATE_EVENT) or ask.options.inline:
                pending.append(ask)
            else:
                turn.new.append(self._record(ask))
        new = {record.number: record for record in turn.new}
        for number in requests.dropped:
            if number in new:
                new[number].state, new[number].due_at = StepState.CANCELED, None
            else:
                turn.dropped.append(number)
        if requests.ending is not None:
            self.ending = requests.ending
            turn.ending = repr(requests.ending)
        self.seen[turn.delivered] = live.next_number
        self.places[turn.delivered] = copy.deepcopy(self.place(live))

    def _settle(self, live: Replay, turn: Turn, pending: list[Ask]) -> None:
        while pending:
            ask = pending.pop(0)
            record = self._record(ask)
            turn.new.append(record)
            outcome = self._carry_out(ask, record, turn)
            if outcome is None:
                continue
            record.state = StepState.FAILED if outcome.error else StepState.COMPLETED
            record.result, record.error, record.due_at = outcome.result, outcome.error, None
            turn.delivered = live.deliver(outcome, self.now)
            record.delivery, record.delivered_at, record.finished_at = turn.delivered, self.now, self.now
            self._absorb(live, turn, pending)

    def _carry_out(self, ask: Ask, record: StepRecord, turn: Turn) -> Outcome | None:
        if ask.kind == StepKind.CREATE_EVENT:
            return Outcome(ask.number, result=json.dumps(str(UUID(int=ask.number))))
        if ask.kind != StepKind.EVENT:
            return execute(record, ask.function)
        for index, (name, value) in enumerate(self.events):
            if name == ask.name and index not in turn.taken:
                turn.taken.append(index)
                return Outcome(ask.number, result=value)
        return None

    def _record(self, ask: Ask) -> StepRecord:
        runs = ask.kind in (StepKind.QUERY, StepKind.MUTATION, StepKind.ACTION)
        state = StepState.QUEUED if runs else StepState.WAITING
        record = StepRecord(ask.number, ask.kind, ask.name, ask.args, state, finished_at=None)
        if ask.kind == StepKind.PATCH:
            record.state, record.result, record.finished_at = StepState.COMPLETED, "true", self.now
        elif not runs:
            record.due_at = ask.run_at if ask.delay is None else self.now + timedelta(seconds=ask.delay)
        return record

    # -- running to the end

    def run(self, choose: Callable[[World], int] | None = None, *, processes: tuple[str, ...] = ("worker",)) -> World:
        """Take turns in which one more step has ended, until the handler has; ``choose`` says which (default: first).

        The processes take the turns by turns.
        """
        turns = 0
        while self.ending is None:
            self.turn(processes[turns % len(processes)])
            turns += 1
            if self.ending is None:
                assert self.open, "the handler waits for nothing that could end"
                self.advance((choose or soonest)(self))
        self.close()
        return self

    def advance(self, number: int) -> None:
        """Let an open step end by itself: by its function, or by time."""
        if self.journal[number].state == StepState.QUEUED:
            self.execute(number)
        else:
            self.let_pass(number)

    # -- comparing

    def replayed(self, delivered: int | None = None) -> Replay:
        """A handler that was led through the journal from zero, as it stood after that delivery (``None``: now)."""
        last = self.delivered if delivered is None else delivered
        fresh = self.handler()
        records = [dataclasses.replace(record) for record in self.journal[: self.seen[last]]]
        for record in records:
            if record.delivery is not None and record.delivery > last:
                record.delivery = record.delivered_at = None
        canceled_at = self.canceled_at if self.canceled_at is not None and self.canceled_at <= last else None
        _listen(fresh, self.traces.setdefault(fresh, []))
        fresh.catch_up(records, canceled_at=canceled_at)
        return fresh

    def check_deliveries(self) -> None:
        """All that has ended was handed over, once, and nothing else was."""
        ended = [record for record in self.journal if record.state in FINISHED_STATES and record.kind != StepKind.PATCH]
        numbers = [record.delivery for record in ended]
        if self.canceled_at is not None:
            numbers.append(self.canceled_at)
        assert sorted(number or 0 for number in numbers) == list(range(1, self.delivered + 1))

    def compare(self, live: Replay) -> None:
        """A handler that was led from zero is where ``live`` is, and asks for nothing; twice."""
        for _ in range(2):
            with closing(self.replayed()) as again:
                requests = again.take()
                assert not requests.asks, f"asked for on replay only: {requests.asks}"
                assert not requests.dropped, f"given up on replay only: {requests.dropped}"
                assert self.place(again) == self.place(live)

    def place(self, replay: Replay) -> dict[str, Any]:
        """All that tells one place in a handler from another."""
        return {
            "next_number": replay.next_number,
            "delivered": replay.delivered,
            "now": replay.now,
            "ending": repr(replay.ending()),
            "open": {number: kind for number, (_, kind, *_) in replay.open.items()},
            "trace": self.traces[replay],
        }


def soonest(world: World) -> int:
    """The first step that a worker could run, or else the wait that is over first."""
    for record in world.open:
        if record.state == StepState.QUEUED:
            return record.number
    due = [(record.due_at, record.number) for record in world.open if record.due_at is not None]
    assert due, f"nothing will ever end: {world.asked}"
    return min(due)[1]


def execute(record: StepRecord, function: Callable[..., Any]) -> Outcome:
    signature = Signature.of(function)
    args, kwargs = signature.decode_arguments(record.args)
    try:
        value = function(*args, **kwargs)
        return Outcome(record.number, signature.result.encode(value, what="result", max_bytes=1_000_000))
    except Exception as error:  # noqa: BLE001 - it is the step's outcome
        return Outcome(record.number, error=failure_of(error))


def shown(record: StepRecord) -> str:
    """A step as tests spell it: ``echo(1)``, ``sleep(10.0)``."""
    values = ", ".join(json.dumps(value) for value in json.loads(record.args).values())
    return f"{record.name.rpartition('.')[2]}({values})"


def withdrawn(world: World) -> bool:
    """Whether the handler ended by its cancellation."""
    return isinstance(world.ending, Withdrawn)


def _ended(records: list[StepRecord], now: datetime) -> list[StepRecord]:
    """What ended since the last turn, waits that are over included, in the order in which it ended."""
    for record in records:
        if record.state == StepState.WAITING and record.due_at is not None and record.due_at <= now:
            record.state, record.finished_at, record.due_at = StepState.COMPLETED, record.due_at, None
            if record.kind == StepKind.EVENT:
                record.state = StepState.FAILED
                record.error = dataclasses.replace(failure_of(TimeoutError("no event came")), type=TIMEOUT_TYPE)
    ended = undelivered(records)
    assert all(record.state in FINISHED_STATES for record in ended)
    return ended


def _listen(live: Replay, trace: list[Any]) -> None:
    """From now on the handler notes there: it has a context of its own, over all its turns."""
    live._variables.run(_trace.set, trace)
