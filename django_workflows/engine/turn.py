"""One turn: what is handed to the handler, what it asks for, and the record of it all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from ..conf import settings
from ..core.commands import Ask, Outcome, Raised, Requests
from ..core.entries import NewStep, StepEnd, TurnRecord
from ..core.journal import (
    ClaimedStep,
    StepKind,
    StepRecord,
    StepState,
    WorkflowRecord,
    WorkflowState,
    undelivered,
)
from ..core.plain_json import size_of
from ..exceptions import ContinueAsNew
from ..models import uuid7
from ..store import cancellation, workflows
from ..store import events as event_store
from .asked import claimed_step, is_too_deep, new_child, new_step, too_deep
from .endings import workflow_end
from .ends import TurnVoid
from .given_up import is_given_up, pass_on
from .in_flight import flights
from .inline import RunInline, run_inline
from .inside import BY_FORCE
from .journal_limit import keep_within_limit
from .live import LiveHandler
from .step_ends import end_of_wait, step_end
from .worker import draining

#: Steps that are carried out inside the turn, because they only touch the journal.
_IN_TURN = frozenset({StepKind.CREATE_EVENT, StepKind.EVENT})


class Turn:
    """Collects one turn of ``live``'s handler. Nothing is written until its ``record`` is.

    ``at`` is what the handler is told as the time: the database's, as recorded with what it is handed.
    """

    def __init__(self, workflow: WorkflowRecord, live: LiveHandler, at: datetime) -> None:
        self.workflow = workflow
        self.at = at
        self.live = live
        self.replay = live.replay
        self.definition = live.replay.definition
        self.record = TurnRecord(
            workflow_id=workflow.id,
            generation=workflow.generation,
            at=at,
            expected_version=workflow.version,
            expected_delivered=workflow.delivered,
            delivered=workflow.delivered,
            first=workflow.started_at is None,
        )
        #: The arguments with which the handler wants to begin anew.
        self.continuing: str | None = None
        #: Whether an inline step canceled the workflow by force.
        self.forced = False
        #: Whether it was tried to write this turn in a transaction, and cannot be again.
        self.tried = False
        #: The step that this worker runs next.
        self.mine: ClaimedStep | None = None
        #: Steps that the handler never awaited, by number, once it has returned or begins anew.
        self.never_awaited: dict[int, str] = {}
        self._pending: list[Ask] = []
        self._sent = False

    # -- handing outcomes to the handler

    def deliver_recorded(self, records: Sequence[StepRecord]) -> None:
        """Hand over what ended since the last turn, and the waits that are over. ``TurnVoid`` if that needs a lock."""
        for record in records:
            if record.state == StepState.WAITING and record.due_at is not None:
                if record.due_at <= self.at:
                    record.state, record.error = end_of_wait(record)
                    record.finished_at = record.due_at
                else:
                    self.live.waits[record.number] = record.due_at
        ended = undelivered(records)
        for record in ended:
            if is_given_up(record, self.replay):
                if self.record.exact:
                    raise TurnVoid  # whoever takes the event next must be locked out
                ended += pass_on(self.workflow.id, record, records, self.replay, self.at)
                continue
            outcome = self._read(record)
            reached = None if outcome.error is None else self.replay.next_number
            delivery = self.replay.deliver(outcome, self.at)
            if record.due_at is not None:
                self.record.step_ends.append(
                    StepEnd(record.number, record.state, error=record.error, delivery=delivery, reached=reached)
                )
            else:
                self.record.deliveries.append((record.number, delivery, reached))
            self.absorb()

    def _read(self, record: StepRecord) -> Outcome:
        """What a record tells the handler. An event that it cannot read becomes a failure, in the journal as well."""
        outcome = Outcome(record.number, record.result, record.error)
        if record.kind != StepKind.EVENT or record.due_at is not None:
            return outcome
        outcome = self.replay.read_event(outcome)
        if outcome.error is not None and record.error is None:
            if self.record.exact:
                raise TurnVoid  # it is written at once, for which the workflow must be locked
            event_store.refuse(self.workflow.id, record.number, outcome.error)
        return outcome

    def deliver_end(self, step: ClaimedStep, outcome: Outcome) -> None:
        """Hand over the end of the attempt that this worker ran."""
        reached = None if outcome.error is None else self.replay.next_number
        delivery = self.replay.deliver(outcome, self.at)
        self.record.step_ends.append(step_end(step, outcome, delivery, reached))
        self.record.grown_bytes += size_of(outcome.result or "")
        self.absorb()

    def obey(self) -> None:
        """Hand over a request to cancel, if there is one and the handler was not told. The workflow is locked."""
        told = self.workflow.canceled_at_delivery is not None or self.record.canceled_at_delivery is not None
        if self.workflow.cancel_requested_at is None or told:
            return
        if self.record.ending is None:
            cancellation.note_told(self.workflow.id, self.replay.next_number)
        self.record.canceled_at_delivery = self.replay.cancel()
        self.absorb()

    # -- taking what it asks for

    def absorb(self) -> None:
        """Take what the handler asked for. What needs the database is kept for ``settle``."""
        requests = self.replay.take()
        self.record.delivered = self.replay.delivered
        for ask in requests.asks:
            if ask.kind in _IN_TURN or ask.options.inline or is_too_deep(ask, self.workflow):
                self._pending.append(ask)
            else:
                self._add(new_step(ask, self.workflow, self.definition))
                if ask.kind == StepKind.WORKFLOW:
                    self.record.children.append(new_child(ask, self.workflow))
        if requests.dropped:
            self._drop(requests)
        ending = requests.ending
        canceled = self.workflow.cancel_requested_at is not None or self.record.canceled_at_delivery is not None
        if isinstance(ending, Raised) and isinstance(ending.error, ContinueAsNew) and not canceled:
            self.continuing = ending.error.arguments
            self.never_awaited = self.replay.never_awaited()
        elif ending is not None and self.record.ending is None:
            self.record.ending = self.replay.inside(workflow_end, ending, self.definition, canceled=canceled)
            if self.record.ending.state == WorkflowState.COMPLETED:
                # One that failed may not have come to its awaits.
                self.never_awaited = self.replay.never_awaited()

    @property
    def needs_database(self) -> bool:
        """Whether ``settle`` has something to do, for which the workflow must be locked."""
        return bool(self._pending)

    @property
    def first_pending(self) -> Ask | None:
        """The first of what ``settle`` has to do."""
        return self._pending[0] if self._pending else None

    def settle(self, run: RunInline = run_inline) -> None:
        """Carry out inline steps, and look for events that were sent already, until the handler waits for others."""
        while self._pending and self.continuing is None and not self.forced:
            ask = self._pending.pop(0)
            new = new_step(ask, self.workflow, self.definition)
            if ask.event_id and ask.options.name is None:
                self._name_wait(ask, new)
            heard = self.record.ending is None or ask.kind != StepKind.EVENT
            outcome = self._carry_out(ask, new, run) if heard else None
            if outcome is None:
                new.state = StepState.WAITING
                self._add(new)
                continue
            new.state = StepState.FAILED if outcome.error else StepState.COMPLETED
            new.result, new.error, new.delay, new.run_at = outcome.result, outcome.error, None, None
            if not self.forced:
                if self.workflow.cancel_requested_at is not None:
                    self.obey()  # what the step itself asked for came before its end
                new.reached = None if outcome.error is None else self.replay.next_number
                new.delivery = self.replay.deliver(outcome, self.at)
            self._add(new)
            self.absorb()
            if self._sent:
                self._take_late()

    def pick(self, queue: str) -> ClaimedStep | None:
        """Let this worker run a step of this turn itself; ``None`` if there is none for it.

        It is stored as running, so nobody else is woken for it.
        """
        if self.mine is not None:
            return self.mine
        for new in self.record.new_steps:
            at_once = new.state == StepState.QUEUED and new.delay is None and new.run_at is None
            if at_once and new.queue == queue and not new.pool and flights.may_pick(new):
                new.state, new.lease, new.claimed_by = StepState.RUNNING, settings.LEASE, draining.get()
                self.mine = claimed_step(new, self.workflow, self.at)
                return self.mine
        return None

    def unpick(self) -> None:
        """Leave the step that this worker was to run to whoever takes it."""
        for new in self.record.new_steps:
            if self.mine is not None and new.number == self.mine.number:
                new.state, new.lease, new.claimed_by = StepState.QUEUED, None, ""
        self.mine = None

    # -- inside

    def _carry_out(self, ask: Ask, new: NewStep, run: RunInline) -> Outcome | None:
        if ask.kind == StepKind.CREATE_EVENT:
            event_id = uuid7()
            event_store.create(event_id, self.workflow.id, ask.name, self.at, ask.event)
            return Outcome(ask.number, result=json.dumps(str(event_id)))
        if ask.kind == StepKind.EVENT:
            return self._take_event(ask)
        if ask.kind == StepKind.WORKFLOW:
            return Outcome(ask.number, error=too_deep(ask, self.workflow))
        step = claimed_step(new, self.workflow, self.at)
        deliveries = self.workflow.deliveries
        step.refused = deliveries - 1 if deliveries else 0
        outcome = run(step, ask.function)
        self._sent = step.sends
        if step.cancels:
            self._note_cancel(step)
        return outcome

    def _note_cancel(self, step: ClaimedStep) -> None:
        """An inline step canceled this workflow, unless that was undone in a savepoint of its function's own."""
        found = workflows.read(self.workflow.id)
        if found is not None and found.cancel_requested_at is not None:
            self.workflow.cancel_requested_at = found.cancel_requested_at
            self.forced = step.cancels == BY_FORCE

    def _take_late(self) -> None:
        """Look again for events that this turn waits for: an inline step of it has sent one."""
        self._sent = False
        for new in self.record.new_steps:
            waits = new.kind == StepKind.EVENT and new.state == StepState.WAITING and new.number in self.replay.open
            taken = event_store.take_by_function(self.workflow.id, new.number, new.function) if waits else None
            if taken is None:
                continue
            outcome = self.replay.read_event(Outcome(new.number, *taken))
            new.state = StepState.FAILED if outcome.error else StepState.COMPLETED
            new.result, new.error, new.delay, new.run_at = outcome.result, outcome.error, None, None
            new.reached = None if outcome.error is None else self.replay.next_number
            new.delivery = self.replay.deliver(outcome, self.at)
            self.record.grown_bytes += len(new.result or "")
            self.absorb()

    def _name_wait(self, ask: Ask, new: NewStep) -> None:
        """Call a wait by an event's id by the event's name, which is what people know it by."""
        owner = event_store.owner(UUID(ask.event_id))
        if owner is not None and owner[0] == self.workflow.id:
            new.name = owner[1]
            self.replay.rename(ask.number, new.name)

    def _take_event(self, ask: Ask) -> Outcome | None:
        event_id = UUID(ask.event_id) if ask.event_id else None
        taken = event_store.take(self.workflow.id, ask.number, ask.function, event_id)
        if taken is None:
            return None
        return self.replay.read_event(Outcome(ask.number, *taken))

    def _add(self, new: NewStep) -> None:
        self.record.new_steps.append(new)
        args, result = new.args, new.result or ""
        is_plain = args.isascii() and result.isascii()
        self.record.grown_bytes += len(args) + len(result) if is_plain else size_of(args) + size_of(result)

    def _drop(self, requests: Requests) -> None:
        new = {step.number: step for step in self.record.new_steps}
        pending = {ask.number: ask for ask in self._pending}
        for number in requests.dropped:
            if number in pending:
                self._pending.remove(pending[number])
                self._give_up(pending[number])
            elif number in new:
                new[number].state, new[number].delay, new[number].run_at = StepState.CANCELED, None, None
                self.record.children = [child for child in self.record.children if child.parent_step != number]
            else:
                self.record.dropped.append(number)

    def _give_up(self, ask: Ask) -> None:
        new = new_step(ask, self.workflow, self.definition)
        new.state, new.delay, new.run_at = StepState.CANCELED, None, None
        if is_too_deep(ask, self.workflow):
            # A restart opens again what was canceled.
            new.state, new.error = StepState.FAILED, too_deep(ask, self.workflow)
        self._add(new)

    def finish(self) -> TurnRecord:
        """The record, complete, with the limit on the journal's size applied."""
        record = self.record
        record.next_due = self.live.next_wait()
        keep_within_limit(record, self.workflow)
        return record

    def remember_waits(self, now: datetime) -> None:
        """After the turn was written at ``now``: keep when its new waits are over."""
        for new in self.record.new_steps:
            if new.state == StepState.WAITING:
                if new.delay is not None:
                    self.live.waits[new.number] = now + timedelta(seconds=new.delay)
                elif new.run_at is not None:
                    self.live.waits[new.number] = new.run_at
