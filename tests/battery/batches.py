"""Workflows that one worker leads side by side, for what can go wrong then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from django_workflows.engine import batch as batches
from django_workflows.engine.batch import Batch
from django_workflows.engine.drain import drain
from django_workflows.engine.pace import pace
from django_workflows.engine.worker import Worker, give_back
from tests.engine.dying import mortal
from tests.races import flows


def several(words: list[str], count: int = 2) -> Worker:
    """So many alike are due; the worker that is to lead them."""
    told = flows.told.with_options(on_complete=flows.note_end, context={"k": [1]})
    told.start_many([(words, False) for _ in range(count)])
    return Worker(batches=True)


def parallel() -> Worker:
    """Two workflows with four quick steps each, which any worker may take several of."""
    worker = several(["several", "query"], 2)
    drain(Worker(), stop=lambda: bool(flows.acted))
    return worker


def lead(worker: Worker) -> None:
    """Work, as if every step was quick."""
    with side_by_side():
        drain(worker, seconds=20)


def lead_and_be_relieved(worker: Worker) -> None:
    """The second step of all takes its time, so that nothing waits for it."""
    with side_by_side() as led:

        def stall() -> None:
            if len(flows.acted) == 2:
                led[-1].relieve()

        flows.meanwhile = stall
        try:
            drain(worker, seconds=20)
        finally:
            flows.meanwhile = None


def killed() -> str:
    """The id of a worker that was killed while it ran the second step of its second round."""
    worker = several(["action", "action", "query"], 4)
    with mortal() as life:

        def kill() -> None:
            if len(flows.acted) == 6:
                life.die("killed")

        flows.meanwhile = kill
        try:
            lead(worker)
        finally:
            flows.meanwhile = None
    assert life.dead
    return worker.id


def notice(worker: Worker) -> None:
    """Others find that it is dead."""
    give_back(worker.id)


@contextmanager
def side_by_side(wanted: bool = True) -> Iterator[list[Batch]]:
    """In the block every step counts as quick, if that is wanted; the batches, of which no thread looks after any."""
    if not wanted:
        yield []
        return
    led: list[Batch] = []
    timed, relief, stall = batches.timed, batches.relief, batches._STALL

    @contextmanager
    def of(batch: Any) -> Iterator[None]:
        led.append(batch)
        yield

    changed: dict[str, Any] = {
        "timed": lambda step, fn: (timed(step, fn)[0], 0.0),
        "relief": SimpleNamespace(of=of),
        "_STALL": -1.0,
    }
    vars(batches).update(changed)
    pace.be(16)
    try:
        yield led
    finally:
        pace.be(None)
        vars(batches).update(timed=timed, relief=relief, _STALL=stall)
