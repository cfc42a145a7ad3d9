"""Seeded schedules of the engine: ``make simulate SEEDS=2000``, some dozens in the suite, ``SEED=17`` for one again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from tests.battery.simulation import Simulation

pytestmark = pytest.mark.sqlite
SEEDS = int(os.environ.get("DJANGO_WORKFLOWS_TEST_SEEDS", "60"))
ONE = os.environ.get("DJANGO_WORKFLOWS_TEST_SEED")
BLOCKS = 4


def run(seed: int) -> Simulation:
    simulation = Simulation(seed)
    try:
        simulation.run()
    except BaseException as error:
        schedule = "\n".join(simulation.schedule)
        error.add_note(f"seed {seed}; again with DJANGO_WORKFLOWS_TEST_SEED={seed}. Its schedule:\n{schedule}")
        raise
    return simulation


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(1 if ONE else BLOCKS))
def test_every_schedule_keeps_what_must_hold(block: int, record_property: Callable[[str, object], None]) -> None:
    seeds = [int(ONE)] if ONE else range(block, SEEDS, BLOCKS)
    began, runs = time.monotonic(), [run(seed) for seed in seeds]
    record_property(
        "figures",
        f"simulation {block}: {len(runs)} seeds in {time.monotonic() - began:.1f} s, "
        f"{sum(len(each.schedule) for each in runs)} happenings, {sum(each.deaths for each in runs)} deaths, "
        f"{sum(each.lost for each in runs)} messages lost, {sum(each.doubled for each in runs)} doubled, "
        f"{sum(each.takeovers for each in runs)} frozen workers taken over, "
        f"{sum(each.rounds for each in runs)} steps in batches, {sum(each.relieved for each in runs)} relieved",
    )


def test_a_seed_gives_the_same_schedule_again() -> None:
    assert run(7).schedule == run(7).schedule
