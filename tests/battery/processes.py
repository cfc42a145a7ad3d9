"""Worker processes simulated in this one: each has memories of its own, and one of them is in force at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django_workflows.core.journal import ClaimedStep
from django_workflows.core.registry import registry
from django_workflows.engine import batch as batches
from django_workflows.engine import drain, finish
from django_workflows.engine.batch import Batch
from django_workflows.engine.inline import cautious
from django_workflows.engine.live import LiveHandler, live_handlers
from django_workflows.engine.marks import Marks, marks
from django_workflows.engine.pace import pace
from django_workflows.engine.worker import Worker
from django_workflows.store import database
from django_workflows.store import workflows as workflow_store
from tests.engine.dying import Died


def new_worker() -> Worker:
    return Worker(batches=True)


@dataclass
class Process:
    """What a worker process has in memory."""

    worker: Worker = field(default_factory=new_worker)
    handlers: OrderedDict[UUID, LiveHandler] = field(default_factory=OrderedDict)
    functions: dict[Any, Any] = field(default_factory=dict)
    cautious: set[str] = field(default_factory=set)
    marks: dict[str, Any] = field(default_factory=lambda: vars(Marks()))
    #: The batch that it runs now.
    batch: Batch | None = None
    busy: bool = False

    def forget(self) -> None:
        """It is dead, and another one begins in its place."""
        fresh = Process()
        self.worker, self.handlers, self.functions = fresh.worker, fresh.handlers, fresh.functions
        self.cautious, self.marks, self.batch = fresh.cautious, fresh.marks, None


class Machine:
    """The processes, and whose memory is in force."""

    def __init__(self, count: int) -> None:
        self.processes = [Process() for _ in range(count)]
        #: Ids of workers that died, until somebody finds that they did.
        self.dead: list[str] = []
        self._current: Process | None = None

    def idle(self) -> list[Process]:
        return [process for process in self.processes if not process.busy]

    def is_leading(self) -> bool:
        """Whether the process in force leads a batch."""
        return self._current is not None and self._current.batch is not None

    def died(self, process: Process) -> None:
        self.dead.append(process.worker.id)
        process.forget()

    @contextmanager
    def inside(self, process: Process) -> Iterator[Process]:
        """What is done in the block is done by that process."""
        before, was_busy = self._current, process.busy
        self._leave()
        self._enter(process)
        process.busy = True
        try:
            yield process
        except Died:  # the machine's end, not another's alone
            self._leave()
            self.died(process)
            raise
        finally:
            process.busy = was_busy
            self._leave()
            self._enter(before)

    def relieved(self, batch: Batch) -> Any:
        """In the place of the thread that looks after a batch: it is known whose it is."""

        @contextmanager
        def of() -> Iterator[None]:
            process = self._current
            assert process is not None
            process.batch = batch
            try:
                yield
            finally:
                process.batch = None

        return of()

    def _leave(self) -> None:
        if self._current is not None:
            self._current.marks = dict(vars(marks))
        self._current = None

    def _enter(self, process: Process | None) -> None:
        self._current = process
        if process is None:
            return
        live_handlers._handlers, registry.functions = process.handlers, process.functions
        cautious.clear()
        cautious.update(process.cautious)
        vars(marks).clear()
        vars(marks).update(process.marks)


@contextmanager
def simulated(machine: Machine, size: int, chance: Callable[[], float], seconds: Callable[[], float]) -> Iterator[None]:
    """In the block nothing is decided by real time or chance, and batches are of ``size``, whatever steps take."""
    timed, slow = batches.timed, 2 * batches.QUICK

    def timed_by_chance(step: ClaimedStep, fn: Callable[..., Any]) -> Any:
        outcome, _ = timed(step, fn)
        return outcome, slow if chance() < 0.2 else 0.0

    replaced: list[tuple[Any, str, Any]] = [
        (batches, "timed", timed_by_chance),
        (batches, "relief", SimpleNamespace(of=machine.relieved)),
        (batches, "_STALL", -1.0),
        (drain, "_ALONE", 1),
        (finish, "uniform", chance),
        (workflow_store, "time", SimpleNamespace(monotonic=seconds)),
    ]
    usual = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    memories = live_handlers._handlers, registry.functions, dict(vars(marks))
    for owner, name, value in replaced:
        setattr(owner, name, value)
    pace.be(size)
    try:
        yield
    finally:
        pace.be(None)
        for owner, name, value in usual:
            setattr(owner, name, value)
        live_handlers._handlers, registry.functions = memories[:2]
        vars(marks).clear()
        vars(marks).update(memories[2])
        database.frozen_at = None
