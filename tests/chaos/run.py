"""One chaos run: traffic, victims, and the verdict."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from django_workflows.models import Workflow
from tests.app.chaos_steps import LOG
from tests.app.workflows import nothing
from tests.chaos.fleet import Fleet
from tests.chaos.plan import plan
from tests.chaos.traffic import Traffic, persist
from tests.chaos.verdict import Notes, Verdict, judge
from tests.chaos.watch import Watch
from tests.postgres import PostgresServer


@dataclass(frozen=True)
class Options:
    """All in seconds.

    ``every``: between two victims, on average; ``spread``: what the starts take, at least; ``patience``: how long the
    last ones may take to end; ``seconds``: how long to kill, at the most; ``still``: after how long in which nothing
    happens all that can be known is told.
    ``stock``, ``without``: clusters that lack something.
    """

    workflows: int
    seed: int
    every: float = 1.5
    spread: float = 0.0
    patience: float = 90.0
    seconds: float = 240.0
    still: float = 60.0
    stock: bool = False
    without: str = ""


def run(options: Options, folder: Path, server: PostgresServer | None) -> Verdict:
    rng, log = random.Random(options.seed), folder / "effects.log"
    os.environ[LOG] = str(log)  # callbacks of a cancel run in this process
    planned = plan(options.workflows, rng)
    fleet = Fleet(folder, rng, stock=options.stock, without=options.without, env={LOG: str(log)})
    try:
        if options.stock:
            _wedge(fleet)
        began = time.monotonic()
        traffic = Traffic(planned, options.spread)
        traffic.start()
        watch = Watch(fleet, traffic, options.still)
        watch.start()
        try:
            _strike(options, fleet, rng, server, traffic)
            struck = time.monotonic() - began
            done = _settle(options, fleet, traffic)
            took = time.monotonic() - began
            codes = fleet.stop() if done and not options.stock else []
            fleet.goes_on("judging")
            return _verdict(options, fleet, traffic, Notes(log), took, struck, codes)
        finally:
            watch.close()
    finally:
        fleet.close()


def _wedge(fleet: Fleet) -> None:
    """Kill idle workers until nothing is taken: one of those that wait for work has the lock of its queue.

    Which they are cannot be seen, and a busy machine may not have let them come that far: so it is tried.
    """
    for _ in range(5):
        fleet.kill_all_workers()
        probe, until = persist(nothing.start), time.monotonic() + 5
        while persist(lambda: Workflow.objects.get(id=probe).state) == "in_progress":  # noqa: B023 - called at once
            if time.monotonic() > until:
                return
            time.sleep(0.1)
    raise AssertionError("django-q2 outlives the death of all of its idle workers")


def _strike(
    options: Options, fleet: Fleet, rng: random.Random, server: PostgresServer | None, traffic: Traffic
) -> None:
    """Kill, for as long as there is work, or the time is over."""
    until = time.monotonic() + options.seconds
    while time.monotonic() < until and traffic.error is None and (traffic.is_alive() or _open()):
        fleet.goes_on("between two victims")
        time.sleep(rng.uniform(0.5, 1.5) * options.every)
        fleet.strike(server)
        fleet.supervise()


def _settle(options: Options, fleet: Fleet, traffic: Traffic) -> bool:
    """Let what is left come to its end, with nobody killed any more; False if it does not."""
    began = time.monotonic()
    while traffic.is_alive() or _open():
        if time.monotonic() - began > options.patience or traffic.error is not None:
            return False
        fleet.goes_on("waiting for the last ones")
        fleet.supervise()
        time.sleep(0.1)
    fleet.supervise()
    return traffic.error is None


def _open() -> int:
    return persist(lambda: Workflow.objects.filter(state="in_progress").count())


def _verdict(
    options: Options, fleet: Fleet, traffic: Traffic, notes: Notes, took: float, struck: float, codes: list[int]
) -> Verdict:
    left = fleet.left_over() if codes else []
    verdict = judge(traffic.plan, traffic.ids, notes)
    if traffic.error is not None:
        verdict.broken.append(f"an error reached the user: {traffic.error!r}")
    verdict.check("clusters that ended well when told to", [code for code in codes if code], len(codes))
    verdict.check("processes left", left, 0)
    kills = ", ".join(f"{count} {what}" for what, count in sorted(fleet.killed.items()))
    head = {
        "database": connection.vendor,
        "seed": options.seed,
        "victims": f"{fleet.killed.total()} in {struck:.0f} s: {kills}",
        "took": f"{took:.0f} s",
    }
    verdict.figures = head | verdict.figures
    return verdict
