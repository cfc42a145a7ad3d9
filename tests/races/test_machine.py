"""Random histories of starts, work, deaths, events, cancellations, restarts and clean-ups, against what must hold."""

from __future__ import annotations

import itertools
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_workflows import (
    EventAlreadySent,
    EventTokenInvalid,
    StepNotFound,
    WorkflowAlreadyRunning,
    WorkflowNotFound,
    WorkflowNotRunning,
    WorkflowStillRunning,
)
from django_workflows.core.journal import ClaimedStep, WorkflowRecord
from django_workflows.engine.advance import advance as take_claimed_turn
from django_workflows.engine.drain import drain
from django_workflows.engine.live import live_handlers
from django_workflows.engine.run_step import run_step
from django_workflows.engine.worker import Worker, give_back
from django_workflows.models import Event, Pool, Step, Workflow
from django_workflows.store import database
from django_workflows.store import workflows as workflow_store
from tests.app.models import Counter, Effect
from tests.battery.batches import side_by_side
from tests.engine.driver import advance, become_another_process, claim, reset_clock
from tests.engine.dying import mortal
from tests.engine.replays import assert_replays
from tests.races import flows, invariants
from tests.races.invariants import check

workflow = flows.workflow
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
words = st.lists(st.sampled_from(flows.WORDS), min_size=1, max_size=4)


class Histories(RuleBasedStateMachine):
    """``ended`` are the generations of workflows that were seen to have ended: there is no other way back."""

    @initialize()
    def begin(self) -> None:
        for model in (Event, Step):
            model.objects.all().delete()
        Workflow.objects.update(parent=None)
        for model in (Workflow, Pool, Effect, Counter):
            model.objects.all().delete()
        flows.acted.clear()
        live_handlers.clear()
        reset_clock()
        database.frozen_at = EPOCH
        workflow_store.levels._known.clear()
        self.values = itertools.count(100)
        self.ended: dict[UUID, int] = {}
        self.accepted: dict[UUID, set[int]] = {}
        self.disturbed: set[UUID] = set()
        #: Steps that had completed when something was restarted: they may be of an earlier generation.
        self.kept: set[int] = set()
        self.steps: list[ClaimedStep] = []
        self.turns: list[WorkflowRecord] = []
        self.tokens: list[tuple[str, UUID, datetime]] = []

    # -- users

    @rule(words=st.lists(st.sampled_from(["action", "query", "retried"]), min_size=1), count=st.integers(2, 4))
    def start_several(self, words: list[str], count: int) -> None:
        flows.told.start_many([(words, False) for _ in range(count)])

    @rule(words=words, careful=st.booleans(), limited=st.booleans(), watched=st.booleans(), early=st.booleans())
    def start(self, words: list[str], careful: bool, limited: bool, watched: bool, early: bool) -> None:
        definition = flows.told_limited if limited else flows.told
        options: dict[str, Any] = {"start_async": not early}
        if watched:
            options["on_complete"] = flows.note_end
        definition.with_options(**options).start(words, careful)

    @rule(data=st.data(), careful=st.booleans())
    def start_with_key(self, data: st.DataObject, careful: bool) -> None:
        running = Workflow.objects.filter(key="only one", state="in_progress").first()
        workflow_id = flows.told.with_options(key="only one").start(data.draw(words), careful)
        assert running is None or running.id == workflow_id

    @rule(data=st.data())
    def send_event(self, data: st.DataObject) -> None:
        workflow_id, running = self.some_workflow(data)
        value = next(self.values)
        try:
            workflow.send_event(workflow_id, "go", value)
        except WorkflowNotRunning:
            assert running is False
        except WorkflowNotFound:
            assert running is None
        else:
            assert running
            self.accepted.setdefault(workflow_id, set()).add(value)

    @rule(data=st.data(), name=st.sampled_from(["go", "other"]))
    def create_event(self, data: st.DataObject, name: str) -> None:
        workflow_id, running = self.some_workflow(data)
        try:
            workflow.create_event(workflow_id, name)
        except (WorkflowNotRunning, WorkflowNotFound):
            assert not running
        else:
            assert running

    @rule(data=st.data())
    def send_event_by_id(self, data: st.DataObject) -> None:
        events = list(Event.objects.order_by("id"))
        if events:
            self.send_made(data.draw(st.sampled_from(range(len(events))).map(lambda index: events[index])))

    def send_made(self, event: Event) -> None:
        running = event.workflow.state == "in_progress"
        value = next(self.values)
        try:
            workflow.send_event(event_id=event.id, value=value)
        except EventAlreadySent:
            assert running
            assert event.state != "created"
        except WorkflowNotRunning:
            assert not running
        else:
            assert running
            assert event.state == "created"
            self.accepted.setdefault(event.workflow_id, set()).add(value)

    @rule(data=st.data(), seconds=st.sampled_from([5, 3600]))
    def create_event_token(self, data: st.DataObject, seconds: int) -> None:
        events = list(Event.objects.order_by("id"))
        if not events:
            return
        event = data.draw(st.sampled_from(range(len(events))).map(lambda index: events[index]))
        running = event.workflow.state == "in_progress"
        try:
            token = workflow.create_event_token(event.id, expires_in=seconds)
        except (EventAlreadySent, WorkflowNotRunning):
            assert not running or event.state != "created"
        else:
            assert running
            assert event.state == "created"
            self.tokens.append((token, event.id, database.now() + timedelta(seconds=seconds)))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def send_event_by_token(self, data: st.DataObject) -> None:
        """Only the last token of an event works, until it expires, and once."""
        index = data.draw(st.integers(0, len(self.tokens) - 1))
        token, event_id, expires_at = self.tokens[index]
        last = all(other != event_id for _, other, _ in self.tokens[index + 1 :])
        event = Event.objects.filter(pk=event_id).select_related("workflow").first()
        good = event is not None and event.state == "created" and last and database.now() < expires_at
        value = next(self.values)
        try:
            assert workflow.send_event_by_token(token, value) == event_id
        except EventTokenInvalid:
            assert not good
        except WorkflowNotRunning:
            assert event is not None
            assert event.workflow.state != "in_progress"
        else:
            assert good
            assert event.workflow.state == "in_progress"
            self.accepted.setdefault(event.workflow_id, set()).add(value)

    @rule(data=st.data(), force=st.booleans())
    def cancel(self, data: st.DataObject, force: bool) -> None:
        workflow_id, running = self.some_workflow(data)
        try:
            workflow.cancel(workflow_id, force=force)
        except (WorkflowNotRunning, WorkflowNotFound) as error:
            late = running and not force and Workflow.objects.get(pk=workflow_id).state in ("completed", "failed")
            assert not running or (late and "before it could be told" in str(error))
            return
        assert running
        found = Workflow.objects.get(pk=workflow_id)
        assert found.state != "in_progress" or (not force and found.cancel_requested_at)
        if force:
            assert found.state == "canceled"

    @rule(data=st.data(), where=st.sampled_from(["beginning", "number", "name", "nowhere"]))
    def restart(self, data: st.DataObject, where: str) -> None:
        workflow_id, running = self.some_workflow(data)
        journal = list(workflow.steps(workflow_id))
        from_step: Any = {"beginning": None, "nowhere": "no such step"}.get(where)
        if journal and where in ("number", "name"):
            chosen = journal[data.draw(st.integers(0, len(journal) - 1))]
            from_step = chosen.number if where == "number" else chosen.name
        try:
            workflow.restart(workflow_id, from_step)
        except WorkflowStillRunning:
            assert running
        except WorkflowNotFound:
            assert running is None
        except StepNotFound:
            assert running is False
            assert where == "nowhere"
        except WorkflowAlreadyRunning:
            assert Workflow.objects.get(pk=workflow_id).key
        else:
            assert running is False
            self.ended.pop(workflow_id)
            self.disturbed.add(workflow_id)
            self.kept |= set(Step.objects.filter(state="completed").values_list("pk", flat=True))

    @rule(data=st.data())
    def retry_now(self, data: st.DataObject) -> None:
        workflow_id, running = self.some_workflow(data)
        try:
            workflow.retry_now(workflow_id)
        except (WorkflowNotRunning, WorkflowNotFound):
            assert not running
        else:
            assert running

    @rule(data=st.data())
    def cleanup(self, data: st.DataObject) -> None:
        workflow_id, running = self.some_workflow(data)
        children = Workflow.objects.filter(parent=workflow_id, state="in_progress").exists()
        deleted = workflow.cleanup(workflow_id)
        assert deleted is (running is False) or children or self.runs_below(workflow_id)
        assert not deleted or not Workflow.objects.filter(pk=workflow_id).exists()

    # -- workers

    @rule(pieces=st.integers(1, 6), batches=st.booleans())
    def work(self, pieces: int, batches: bool) -> None:
        left = itertools.count(pieces, -1)
        with side_by_side(batches):
            drain(Worker(batches=batches), stop=lambda: next(left) <= 0)

    @rule(batches=st.booleans())
    def work_it_all(self, batches: bool) -> None:
        with side_by_side(batches):
            drain(Worker(batches=batches))

    @rule(at=st.integers(0, 40), before=st.booleans(), batches=st.booleans())
    def work_and_die(self, at: int, before: bool, batches: bool) -> None:
        worker = Worker(batches=batches)
        with mortal(at=at, before=before) as life, side_by_side(batches):
            drain(worker)
        if life.dead:
            give_back(worker.id)

    @rule()
    def claim_a_step(self) -> None:
        step = claim()
        if step is not None:
            self.steps.append(step)

    @precondition(lambda self: self.steps)
    @rule(data=st.data())
    def run_a_claimed_step(self, data: st.DataObject) -> None:
        step = self.steps.pop(data.draw(st.integers(0, len(self.steps) - 1)))
        run_step(step, None)

    @rule()
    def claim_a_turn(self) -> None:
        record = workflow_store.claim_turn("", "another worker")
        if record is not None:
            self.turns.append(record)

    @precondition(lambda self: self.turns)
    @rule(data=st.data())
    def take_a_claimed_turn(self, data: st.DataObject) -> None:
        record = self.turns.pop(data.draw(st.integers(0, len(self.turns) - 1)))
        step = take_claimed_turn(record, "")
        if step is not None:
            self.steps.append(step)

    @rule()
    def become_another_process(self) -> None:
        become_another_process()

    @rule(seconds=st.sampled_from([1, 6, 12, 31, 60]))
    def time_passes(self, seconds: int) -> None:
        advance(seconds)

    # -- what must hold

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "values"):
            return
        check()
        found = {each.id: each for each in Workflow.objects.all()}
        for workflow_id, generation in list(self.ended.items()):
            if workflow_id not in found:
                del self.ended[workflow_id]
            else:
                assert found[workflow_id].generation == generation
                assert found[workflow_id].state != "in_progress", "there is no way back but by a restart"
        self.ended.update({each.id: each.generation for each in found.values() if each.state != "in_progress"})
        self.no_event_is_lost(found)
        self.nothing_is_done_twice()
        self.every_result_is_of_its_own_attempt()

    def no_event_is_lost(self, found: dict[UUID, Workflow]) -> None:
        """Whatever was accepted is in the result, or still there to be taken."""
        for workflow_id, values in self.accepted.items():
            each = found.get(workflow_id)
            if each is None or each.state != "completed" or workflow_id in self.disturbed:
                continue
            got = workflow.status(workflow_id).result
            if each.name == flows.brief.name:
                got = []
            assert len(set(got)) == len(got), "no event is taken twice"
            kept = Event.objects.filter(workflow=workflow_id, state="sent").values_list("value", flat=True)
            assert values <= {*got, *map(int, kept)}, f"of {values} it got {got}, and {list(kept)} are left"

    def every_result_is_of_its_own_attempt(self) -> None:
        """Nobody who came late, or from before a restart, was taken for another."""
        invariants.check_outcomes(self.kept)

    def nothing_is_done_twice(self) -> None:
        invariants.check_beginnings()

    def teardown(self) -> None:
        if not hasattr(self, "values"):
            return
        try:
            become_another_process()
            self.bring_to_an_end()
            self.holds()
            for each in Workflow.objects.exclude(state="in_progress"):
                assert_replays(each)
        finally:
            database.frozen_at = None

    def bring_to_an_end(self) -> None:
        for _ in range(400):
            drain(Worker())
            self.holds()
            running = list(Workflow.objects.filter(state="in_progress"))
            if not running:
                return
            seconds = workflow_store.next_due("")
            if seconds is not None and seconds < 3600:
                advance(max(0.0, seconds) + 0.001)
                continue
            for each in running:
                self.help_on(each)
        raise AssertionError(f"these do not end: {[(str(each), each.blocked_message) for each in running]}")

    def help_on(self, each: Workflow) -> None:
        """Give it what only somebody outside can give."""
        if each.blocked_message:
            workflow.retry_now(each.id)
        for step in each.steps.filter(kind="event", state="waiting"):
            _, _, wanted = step.function.partition(":")
            if step.function.startswith("name:"):
                value = next(self.values)
                workflow.send_event(each.id, wanted, value)
                self.accepted.setdefault(each.id, set()).add(value)
            elif Event.objects.filter(pk=wanted, state="created").exists():
                self.send_made(Event.objects.get(pk=wanted))
            else:
                with suppress(WorkflowNotRunning):
                    workflow.cancel(each.id)
                return

    # -- who is meant

    def some_workflow(self, data: st.DataObject) -> tuple[UUID, bool | None]:
        """Any workflow, or one that does not exist; and whether it runs."""
        found = list(Workflow.objects.order_by("created_at", "id"))
        index = data.draw(st.integers(0, max(len(found), 1) * 8))
        if not found or index == len(found) * 8:
            return uuid4(), None
        each = found[index % len(found)]
        return each.id, each.state == "in_progress"

    def runs_below(self, workflow_id: UUID) -> bool:
        below = list(Workflow.objects.filter(parent=workflow_id))
        return any(each.state == "in_progress" or self.runs_below(each.id) for each in below)


@pytest.mark.timeout(3600 if "DJANGO_WORKFLOWS_TEST_HISTORIES" in os.environ else 900)
def test_every_history_keeps_what_must_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """``DJANGO_WORKFLOWS_TEST_HISTORIES`` says how many; the normal suite has time for a few."""
    # Nothing that is done depends on real time: else a history that fails might not fail again.
    monkeypatch.setattr(workflow_store, "time", SimpleNamespace(monotonic=seconds))
    many = int(os.environ.get("DJANGO_WORKFLOWS_TEST_HISTORIES", "40"))
    profile = settings(
        max_examples=many,
        stateful_step_count=25 if many <= 40 else 60,
        deadline=None,
        print_blob=True,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(Histories, settings=profile)
    finally:
        database.frozen_at = None
        connection.close()


def seconds() -> float:
    return ((database.frozen_at or EPOCH) - EPOCH).total_seconds()
