"""Runs the engine on a schedule that a seed decides: several workers that take turns, in one process, over the real
store, with a clock that jumps, messages that are lost and doubled, and workers that die at any statement.

While a step's function runs, others go on: so leases run out, and attempts are taken over, under a worker that lives.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from django_workflows import WorkflowError
from django_workflows.core.journal import ClaimedStep
from django_workflows.core.registry import registry
from django_workflows.engine import dispatch
from django_workflows.engine.advance import advance as take_claimed_turn
from django_workflows.engine.drain import drain
from django_workflows.engine.run_step import run_step
from django_workflows.engine.worker import give_back
from django_workflows.models import Event, Step, Workflow
from django_workflows.store import database
from django_workflows.store import steps as step_store
from django_workflows.store import workflows as workflow_store
from tests.battery.observation import start_over
from tests.battery.processes import Machine, Process, simulated
from tests.engine.dying import Died, Mortal, mortal
from tests.engine.replays import assert_all_replay
from tests.races import flows, invariants
from tests.races.invariants import check, check_beginnings, check_outcomes

workflow = flows.workflow
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
DROPPED, DOUBLED, DEADLY = 0.2, 0.3, 0.15
#: What may be led side by side.
QUICK = ["action", "action", "retried", "query"]
#: How deep steps that run may have others run meanwhile.
NESTED = 2


class Simulation:
    """One seed's run; ``schedule`` is what happened in it, a line for each thing."""

    interrupts: tuple[type[BaseException], ...] = (Died,)
    default_queue = ""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.schedule: list[str] = []
        self.messages: list[str] = []
        self.frozen: list[tuple[Process, list[ClaimedStep]]] = []
        self.machine = Machine(5)
        self.lives: list[Mortal] = []
        self.batch_size = self.random.choice([1, 4, 16])
        self.values = itertools.count(100)
        self.accepted: dict[UUID, set[int]] = {}
        self.disturbed: set[UUID] = set()
        #: Steps that had completed when something was restarted: they may be of an earlier generation.
        self.kept: set[int] = set()
        self.deaths = self.lost = self.doubled = self.takeovers = self.relieved = self.rounds = 0
        self.latest = EPOCH

    # -- the dispatcher's part: messages that are no more than hints

    channel = ""

    def wake(self, queue: str, seconds: float, count: int) -> None:
        for _ in range(count):
            chance = self.random.random()
            if chance < DROPPED:
                self.lost += 1
                continue
            self.messages.append(queue)
            if chance > 1 - DOUBLED:
                self.doubled += 1
                self.messages.append(queue)

    # -- the run

    def run(self, events: int = 45) -> None:
        before = dispatch.use(self)
        start_over()
        database.frozen_at = EPOCH
        flows.meanwhile, invariants.latest_time = self.meanwhile, lambda: self.latest
        try:
            with simulated(self.machine, self.batch_size, self.random.random, self.seconds):
                for number in range(events):
                    self.something_happens(0)
                    if number % 5 == 0:
                        self.all_holds_so_far()
                self.come_to_an_end()
                self.everything_holds()
        finally:
            flows.meanwhile, invariants.latest_time = None, database.now
            dispatch.use(before)
            start_over()

    def seconds(self) -> float:
        return ((database.frozen_at or EPOCH) - EPOCH).total_seconds()

    def something_happens(self, depth: int) -> None:
        happenings: list[tuple[Callable[[int], None], int]] = [
            (self.deliver, 10),
            (self.sweep, 3),
            (self.time_passes, 4),
            (self.clock_jumps, 1),
            (self.somebody_starts, 3 if depth == 0 else 0),
            (self.somebody_starts_several, 2 if depth == 0 else 0),
            (self.somebody_sends, 3),
            (self.somebody_interferes, 2),
            (self.worker_restarts, 1),
            (self.worker_freezes, 4),
            (self.worker_thaws, 2),
            (self.worker_is_taken_over, 6 if self.frozen else 0),
            (self.batch_is_relieved, 4 if depth else 0),
            (self.leader_is_killed, 3 if self.machine.is_leading() else 0),
            (self.dead_are_found, 3 if self.machine.dead else 0),
        ]
        (happening,) = self.random.choices([each for each, _ in happenings], [weight for _, weight in happenings])
        happening(depth)

    def meanwhile(self) -> None:
        """A step runs: what the rest of the world does until it is done."""
        self.rounds += self.machine.is_leading()
        depth = sum(process.busy for process in self.machine.processes)
        if depth > NESTED or connection.in_atomic_block:
            return
        for _ in range(self.random.choice([0, 1, 2, 4, 8])):
            self.something_happens(depth)

    # -- workers

    def deliver(self, depth: int) -> None:
        """A message arrives, in no order, at a worker that has time."""
        if self.messages:
            self.messages.pop(self.random.randrange(len(self.messages)))
            self.work(depth)

    def sweep(self, depth: int) -> None:
        """What lost messages would have said is found by looking."""
        self.work(depth)

    def work(self, depth: int, pieces_of: Sequence[int] = (1, 1, 2, 5, 20)) -> None:
        idle = self.machine.idle()
        if not idle:
            return
        process = self.random.choice(idle)
        pieces, at = self.random.choice(pieces_of), None
        if self.random.random() < DEADLY:
            at = self.random.randrange(50)
        self.tell(f"worker {self.name(process)} takes {pieces}" + (f", dies at {at}" if at else ""), depth)
        left = itertools.count(pieces, -1)
        with self.machine.inside(process):
            try:
                with mortal(at=at, before=self.random.random() < 0.5) as life:
                    self.lives.append(life)
                    drain(process.worker, stop=lambda: next(left) <= 0)
            finally:
                self.lives.pop()
            if life.dead:
                self.deaths += 1
                self.machine.died(process)

    def leader_is_killed(self, depth: int) -> None:
        """While it runs one of the steps of its batch."""
        if self.machine.is_leading() and self.lives:
            self.tell("who leads this batch is killed", depth)
            self.lives[-1].die("killed")

    def name(self, process: Process) -> int:
        return next(index for index, each in enumerate(self.machine.processes) if each is process)

    def worker_restarts(self, depth: int) -> None:
        """A worker goes, and says good-bye or not."""
        idle = self.machine.idle()
        if not idle:
            return
        process = self.random.choice(idle)
        polite = self.random.random() < 0.5
        self.tell(f"worker {self.name(process)} restarts{' politely' if polite else ''}", depth)
        if polite:
            give_back(process.worker.id)
        self.machine.died(process)

    def dead_are_found(self, depth: int) -> None:
        """Another worker of that machine notices."""
        worker = self.machine.dead.pop(self.random.randrange(len(self.machine.dead)))
        self.tell("a dead worker is found", depth)
        give_back(worker)

    def batch_is_relieved(self, depth: int) -> None:
        """The thread that looks after a batch finds its step slow."""
        leading = [process for process in self.machine.processes if process.batch is not None]
        if not leading:
            return
        process = self.random.choice(leading)
        assert process.batch is not None
        waiting, idle = list(process.batch._round), self.machine.idle()
        if waiting and len(idle) > 1 and self.random.random() < 0.5:
            self.tell("before, one of those that wait in it:", depth)
            step, other = self.random.choice(waiting), self.random.choice(idle)
            self.begin_anew(step.workflow_id, depth)
            taken = self.claim_one_of({(step.workflow_id, step.number)}, other)
            if taken:
                self.freeze(other, taken, depth)
        self.tell(f"worker {self.name(process)} has its batch relieved", depth)
        self.relieved += 1
        with self.machine.inside(process):
            process.batch.relieve()

    def worker_freezes(self, depth: int) -> None:
        """A worker takes steps, and stands still before it runs them."""
        idle = self.machine.idle()
        if len(idle) < 2:
            return
        process = self.random.choice(idle)
        with self.machine.inside(process):
            step = step_store.claim("", process.worker.id, registry.pools)
            if step is None:
                return
            more = [] if step.pool else step_store.claim_more("", process.worker.id, step.function, 2)
        self.freeze(process, [step, *more], depth)

    def freeze(self, process: Process, steps: list[ClaimedStep], depth: int) -> None:
        self.tell(f"worker {self.name(process)} freezes with steps {[step.number for step in steps]}", depth)
        process.busy = True
        self.frozen.append((process, steps))

    def worker_thaws(self, depth: int) -> None:
        if self.frozen:
            self.thaw(self.random.randrange(len(self.frozen)), depth)

    def thaw(self, index: int, depth: int) -> None:
        """It goes on, and does not know how late it is."""
        process, steps = self.frozen.pop(index)
        self.tell(f"worker {self.name(process)} thaws", depth)
        process.busy = False
        for step in steps:
            with self.machine.inside(process):
                run_step(step, "")

    def worker_is_taken_over(self, depth: int) -> None:
        """What a frozen worker holds is given to another, which freezes with it: each may go on before the other."""
        index, idle = self.random.randrange(len(self.frozen)), self.machine.idle()
        if len(idle) < 2:
            return
        _, steps = self.frozen[index]
        if self.random.random() < 0.4:
            self.begin_anew(steps[0].workflow_id, depth)
        else:
            self.move(31, depth)
        held = {(step.workflow_id, step.number) for step in steps}
        process = self.random.choice(idle)
        taken = self.claim_one_of(held, process)
        if taken:
            self.freeze(process, taken, depth)
        if self.random.random() < 0.6:
            self.thaw(index, depth)

    def claim_one_of(self, wanted: set[tuple[UUID, int]], process: Process) -> list[ClaimedStep]:
        """What is due, until one of those is among it."""
        taken: list[ClaimedStep] = []
        with self.machine.inside(process):
            while len(taken) < 8 and (step := step_store.claim("", process.worker.id, registry.pools)) is not None:
                taken.append(step)
                if (step.workflow_id, step.number) in wanted:
                    self.takeovers += 1
                    break
        return taken

    def begin_anew(self, workflow_id: UUID, depth: int) -> None:
        """The workflow is restarted, and its next steps are left to whoever claims them."""
        self.tell("it is begun anew", depth)
        with suppress(WorkflowError):
            workflow.cancel(workflow_id, force=True)
        with suppress(WorkflowError):
            self.restart(workflow_id)
        for _ in range(5):
            record = workflow_store.claim_turn("", "another")
            if record is None:
                return
            with self.machine.inside(self.random.choice(self.machine.idle())):
                take_claimed_turn(record, None)

    def restart(self, workflow_id: UUID) -> None:
        workflow.restart(workflow_id)
        self.disturbed.add(workflow_id)
        self.kept |= set(Step.objects.filter(state="completed").values_list("pk", flat=True))

    # -- the clock

    def time_passes(self, depth: int) -> None:
        self.move(self.random.choice([0.5, 3, 6, 12, 31]), depth)

    def clock_jumps(self, depth: int) -> None:
        self.move(self.random.choice([3600, -3600, -20]), depth)

    def move(self, seconds: float, depth: int) -> None:
        self.tell(f"clock {seconds:+g} s", depth)
        assert database.frozen_at is not None
        database.frozen_at += timedelta(seconds=seconds)
        self.latest = max(self.latest, database.frozen_at)
        database.clock.forget()

    # -- people

    def somebody_starts(self, depth: int) -> None:
        words = self.random.choices(flows.WORDS, k=self.random.randint(1, 4))
        definition = self.random.choice([flows.told, flows.told, flows.told_limited])
        options: dict[str, Any] = {"start_async": self.random.random() < 0.8}
        if self.random.random() < 0.5:
            options["on_complete"] = flows.note_end
        self.tell(f"start {words} {sorted(options)}", depth)
        definition.with_options(**options).start(words, self.random.random() < 0.3)

    def somebody_starts_several(self, depth: int) -> None:
        """Alike, so that a worker may lead them side by side."""
        words = self.random.choices([*QUICK, self.random.choice(flows.WORDS)], k=self.random.randint(1, 3))
        count = self.random.randint(2, 5)
        self.tell(f"start {count} x {words}", depth)
        flows.told.start_many([(words, False) for _ in range(count)])
        if self.random.random() < 0.5:
            self.work(depth, [3, 10, 30])

    def some(self) -> Workflow | None:
        found = list(Workflow.objects.order_by("created_at", "id"))
        return self.random.choice(found) if found else None

    def somebody_sends(self, depth: int) -> None:
        each = self.some()
        if each is None:
            return
        value = next(self.values)
        created = list(Event.objects.filter(workflow=each, state="created").order_by("sequence", "id"))
        self.tell(f"send {value} to {each.args}", depth)
        with suppress(WorkflowError):
            if created and self.random.random() < 0.7:
                workflow.send_event(event_id=created[0].id, value=value)
            else:
                workflow.send_event(each.id, "go", value)
            self.accepted.setdefault(each.id, set()).add(value)

    def somebody_interferes(self, depth: int) -> None:
        each = self.some()
        if self.frozen and self.random.random() < 0.5:
            each = Workflow.objects.filter(id=self.frozen[0][1][0].workflow_id).first()
        if each is None:
            return
        verb = self.random.choice(["cancel", "force", "restart", "retry_now", "cleanup", "start over"])
        self.tell(f"{verb} {each.args}", depth)
        acts: dict[str, Callable[[], Any]] = {
            "cancel": lambda: workflow.cancel(each.id),
            "force": lambda: workflow.cancel(each.id, force=True),
            "restart": lambda: self.restart(each.id),
            "retry_now": lambda: workflow.retry_now(each.id),
            "cleanup": lambda: workflow.cleanup(each.id),
        }
        if verb == "start over":
            with suppress(WorkflowError):
                acts["force"]()
            verb = "restart"
        with suppress(WorkflowError):
            acts[verb]()

    # -- the end

    def come_to_an_end(self) -> None:
        """No more deaths: whatever runs must end by work, time and answers, though messages are still lost."""
        while self.frozen:
            self.worker_thaws(0)
        for _ in range(400):
            with self.machine.inside(self.random.choice(self.machine.processes)) as process:
                drain(process.worker, seconds=20)
            running = list(Workflow.objects.filter(state="in_progress").order_by("created_at", "id"))
            if not running:
                return
            seconds = workflow_store.next_due("")
            # A clock that was put back hours makes everything hours late, and no more than that.
            if seconds is not None and seconds < 100 * 3600:
                self.move(max(0.0, seconds) + 0.001, 0)
                continue
            for each in running:
                self.answer(each)
        shown = [(str(each), each.blocked_message, each.due_at, self.open_steps(each)) for each in running]
        raise AssertionError(f"these do not end by {database.frozen_at}: {shown}")

    def open_steps(self, each: Workflow) -> list[tuple[Any, ...]]:
        return list(each.steps.exclude(state="completed").values_list("number", "name", "state", "due_at"))

    def answer(self, each: Workflow) -> None:
        if each.blocked_message:
            workflow.retry_now(each.id)
        for step in each.steps.filter(kind="event", state="waiting"):
            _, _, wanted = step.function.partition(":")
            value = next(self.values)
            if step.function.startswith("name:"):
                workflow.send_event(each.id, wanted, value)
                self.accepted.setdefault(each.id, set()).add(value)
            elif Event.objects.filter(pk=wanted, state="created").exists():
                workflow.send_event(event_id=wanted, value=value)
                self.accepted.setdefault(each.id, set()).add(value)
            else:
                workflow.cancel(each.id)
                return

    def all_holds_so_far(self) -> None:
        check()
        check_outcomes(self.kept)
        check_beginnings()

    def everything_holds(self) -> None:
        self.all_holds_so_far()
        assert_all_replay()
        self.no_timer_was_early()
        self.no_event_was_lost()

    def no_timer_was_early(self) -> None:
        for step in Step.objects.filter(kind="sleep", state="completed"):
            assert step.finished_at is not None
            waited = (step.finished_at - step.created_at).total_seconds()
            if step.workflow_id not in self.disturbed:
                assert waited >= float(step.args.strip("{}").rpartition(":")[2]), "a timer was early"

    def no_event_was_lost(self) -> None:
        for each in Workflow.objects.filter(state="completed").exclude(name=flows.brief.name):
            values = self.accepted.get(each.id, set())
            if each.id in self.disturbed or not values:
                continue
            got = workflow.status(each.id).result  # type: ignore[union-attr]
            kept = Event.objects.filter(workflow=each, state="sent").values_list("value", flat=True)
            assert len(set(got)) == len(got), "an event was taken twice"
            assert values <= {*got, *map(int, kept)}, f"of {values} it got {got}, and {list(kept)} are left"

    def tell(self, what: str, depth: int) -> None:
        self.schedule.append("    " * depth + what)
