"""Runs the engine on a schedule that a seed decides: several workers that take turns, in one process, over the real
store, with a clock that jumps, messages that are lost and doubled, and workers that die at any statement.

While a step's function runs, others go on: so leases run out, and attempts are taken over, under a worker that lives.
"""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from django_workflows import WorkflowError
from django_workflows.core.journal import ClaimedStep
from django_workflows.core.registry import registry
from django_workflows.engine import dispatch, finish
from django_workflows.engine.drain import drain
from django_workflows.engine.live import LiveHandler, live_handlers
from django_workflows.engine.run_step import run_step
from django_workflows.engine.worker import Worker, give_back
from django_workflows.models import Event, Step, Workflow
from django_workflows.store import database
from django_workflows.store import steps as step_store
from django_workflows.store import workflows as workflow_store
from tests.battery.observation import start_over
from tests.engine.dying import Died, mortal
from tests.engine.replays import assert_all_replay
from tests.races import flows, invariants
from tests.races.invariants import check

workflow = flows.workflow
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
DROPPED, DOUBLED, DEADLY = 0.2, 0.3, 0.12
#: How deep steps that run may have others run meanwhile.
NESTED = 2


@dataclass
class Process:
    """What a worker process has in memory."""

    worker: Worker = field(default_factory=Worker)
    handlers: OrderedDict[UUID, LiveHandler] = field(default_factory=OrderedDict)
    functions: dict[Any, Any] = field(default_factory=dict)
    busy: bool = False

    def forget(self) -> None:
        self.worker, self.handlers, self.functions = Worker(), OrderedDict(), {}


class Simulation:
    """One seed's run; ``schedule`` is what happened in it, a line for each thing."""

    interrupts: tuple[type[BaseException], ...] = ()
    default_queue = ""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.schedule: list[str] = []
        self.messages: list[str] = []
        self.frozen: list[tuple[Process, ClaimedStep]] = []
        self.processes = [Process() for _ in range(3)]
        self.values = itertools.count(100)
        self.accepted: dict[UUID, set[int]] = {}
        self.disturbed: set[UUID] = set()
        #: Steps that had completed when something was restarted: they may be of an earlier generation.
        self.kept: set[int] = set()
        self.deaths = self.lost = self.doubled = 0
        self.latest = EPOCH

    # -- the dispatcher's part: messages that are no more than hints

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
        uniform, finish.uniform = finish.uniform, self.random.random
        start_over()
        database.frozen_at = EPOCH
        flows.meanwhile, invariants.latest_time = self.meanwhile, lambda: self.latest
        try:
            for number in range(events):
                self.something_happens(0)
                if number % 5 == 0:
                    check()
            self.come_to_an_end()
            self.everything_holds()
        finally:
            flows.meanwhile, invariants.latest_time = None, database.now
            finish.uniform = uniform
            dispatch.use(before)
            database.frozen_at = None
            start_over()

    def something_happens(self, depth: int) -> None:
        happenings: list[tuple[Callable[[int], None], int]] = [
            (self.deliver, 10),
            (self.sweep, 3),
            (self.time_passes, 4),
            (self.clock_jumps, 1),
            (self.somebody_starts, 3 if depth == 0 else 0),
            (self.somebody_sends, 3),
            (self.somebody_interferes, 2),
            (self.worker_restarts, 1),
            (self.worker_freezes, 2),
            (self.worker_thaws, 2),
        ]
        (happening,) = self.random.choices([each for each, _ in happenings], [weight for _, weight in happenings])
        happening(depth)

    def meanwhile(self) -> None:
        """A step runs: what the rest of the world does until it is done."""
        depth = sum(process.busy for process in self.processes)
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

    def work(self, depth: int) -> None:
        idle = [process for process in self.processes if not process.busy]
        if not idle:
            return
        process = self.random.choice(idle)
        pieces, at = self.random.choice([1, 1, 2, 5]), None
        if self.random.random() < DEADLY:
            at = self.random.randrange(30)
        self.tell(f"worker {self.processes.index(process)} takes {pieces}" + (f", dies at {at}" if at else ""), depth)
        left = itertools.count(pieces, -1)
        with self.inside(process):
            if at is None:
                drain(process.worker, stop=lambda: next(left) <= 0)
                return
            with mortal(at=at, before=self.random.random() < 0.5) as life:
                drain(process.worker, stop=lambda: next(left) <= 0)
        if life.dead:
            self.deaths += 1
            self.processes[self.processes.index(process)] = Process()

    def inside(self, process: Process) -> Any:
        return _Inside(process)

    def worker_restarts(self, depth: int) -> None:
        """A worker goes, and says good-bye or not."""
        idle = [process for process in self.processes if not process.busy]
        if not idle:
            return
        process = self.random.choice(idle)
        index = self.processes.index(process)
        polite = self.random.random() < 0.5
        self.tell(f"worker {index} restarts{' politely' if polite else ''}", depth)
        if polite:
            give_back(process.worker.id)
        self.processes[index] = Process()

    def worker_freezes(self, depth: int) -> None:
        """A worker takes a step, and stands still before it runs it."""
        idle = [process for process in self.processes if not process.busy]
        if len(idle) < 2:
            return
        process = self.random.choice(idle)
        with self.inside(process):
            step = step_store.claim("", process.worker.id, registry.pools)
        if step is not None:
            self.tell(f"worker {self.processes.index(process)} freezes with step {step.number}", depth)
            process.busy = True
            self.frozen.append((process, step))

    def worker_thaws(self, depth: int) -> None:
        """It goes on, and does not know how late it is."""
        if self.frozen:
            process, step = self.frozen.pop(self.random.randrange(len(self.frozen)))
            self.tell(f"worker {self.processes.index(process)} thaws", depth)
            with self.inside(process):
                run_step(step, "")

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
            each = Workflow.objects.filter(id=self.frozen[0][1].workflow_id).first()
        if each is None:
            return
        verb = self.random.choice(["cancel", "force", "restart", "retry_now", "cleanup", "start over"])
        self.tell(f"{verb} {each.args}", depth)
        acts: dict[str, Callable[[], Any]] = {
            "cancel": lambda: workflow.cancel(each.id),
            "force": lambda: workflow.cancel(each.id, force=True),
            "restart": lambda: workflow.restart(each.id),
            "retry_now": lambda: workflow.retry_now(each.id),
            "cleanup": lambda: workflow.cleanup(each.id),
        }
        if verb == "start over":
            with suppress(WorkflowError):
                acts["force"]()
            verb = "restart"
        with suppress(WorkflowError):
            acts[verb]()
            if verb == "restart":
                self.disturbed.add(each.id)
                self.kept |= set(Step.objects.filter(state="completed").values_list("pk", flat=True))

    # -- the end

    def come_to_an_end(self) -> None:
        """No more deaths: whatever runs must end by work, time and answers, though messages are still lost."""
        while self.frozen:
            self.worker_thaws(0)
        for _ in range(400):
            with self.inside(self.random.choice(self.processes)) as process:
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
        shown = [(str(each), each.problem, each.due_at, self.open_steps(each)) for each in running]
        raise AssertionError(f"these do not end by {database.frozen_at}: {shown}")

    def open_steps(self, each: Workflow) -> list[tuple[Any, ...]]:
        return list(each.steps.exclude(state="completed").values_list("number", "name", "state", "due_at"))

    def answer(self, each: Workflow) -> None:
        if each.problem:
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

    def everything_holds(self) -> None:
        check()
        assert_all_replay()
        self.no_timer_was_early()
        self.no_event_was_lost()
        self.every_result_is_of_its_own_attempt()
        once = [run for run in flows.acted if self.without_retry(run)]
        assert len(once) == len(set(once)), "an action without retry began twice"

    def every_result_is_of_its_own_attempt(self) -> None:
        """Nobody who came late, or from before a restart, was taken for another: ``act`` returns its attempt."""
        runs = set(flows.acted)
        for step in Step.objects.filter(state="completed", function__endswith=".act").select_related("workflow"):
            run = (str(step.workflow_id), step.workflow.generation, step.number, step.attempt)
            assert step.result == str(step.attempt), f"{run} has the result of attempt {step.result}"
            assert run in runs or step.pk in self.kept, f"{run} has a result, and never ran"

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

    def without_retry(self, run: tuple[str, int, int, int]) -> bool:
        return Step.objects.filter(
            workflow_id=run[0], number=run[2], workflow__generation=run[1], function__endswith=".act"
        ).exists()

    def tell(self, what: str, depth: int) -> None:
        self.schedule.append("    " * depth + what)


class _Inside:
    """This process's memory is that worker's."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def __enter__(self) -> Process:
        self._before = live_handlers._handlers, registry.functions
        live_handlers._handlers, registry.functions = self._process.handlers, self._process.functions
        self._process.busy = True
        return self._process

    def __exit__(self, kind: type[BaseException] | None, *args: object) -> None:
        self._process.busy = False
        if kind is Died:  # the machine's end, not its own alone
            self._process.forget()
        live_handlers._handlers, registry.functions = self._before
