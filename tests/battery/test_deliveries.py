"""What was claimed is delivered again, late, in another order: it changes nothing that another has done meanwhile."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from django_workflows.core.registry import registry
from django_workflows.engine import batch as batches
from django_workflows.engine import drain as drains
from django_workflows.engine.advance import advance as take_claimed_turn
from django_workflows.engine.drain import drain
from django_workflows.engine.finish import finish
from django_workflows.engine.run_step import run_step
from django_workflows.store import steps as step_store
from django_workflows.store import workflows as workflow_store
from tests.battery.batches import lead, several, side_by_side
from tests.battery.ending import bring_to_an_end
from tests.battery.observation import observed, start_over
from tests.battery.verbs import RACES, SHAPES, begin
from tests.engine.driver import become_another_process

EXACT = [name for name in SHAPES if name not in RACES]


class Deliveries:
    """Every claim of work that this process ever had, to be delivered again."""

    def __init__(self, seed: int, repeated: float) -> None:
        self.random = random.Random(seed)
        self.repeated = repeated
        self.turns: list[Any] = []
        self.steps: list[Any] = []

    def some_work(self) -> bool:
        record = workflow_store.claim_turn("", "w")
        if record is not None:
            self.turns.append(copy.deepcopy(record))
            step = take_claimed_turn(record, "")
        else:
            step = step_store.claim("", "w", registry.pools)
        while step is not None:
            self.steps.append(copy.deepcopy(step))
            step = run_step(step, "")
            self.again()
        self.again()
        return record is not None or bool(self.steps and step)

    def again(self) -> None:
        """Old deliveries, in any order, by this process or another."""
        while self.random.random() < self.repeated:
            if self.random.random() < 0.3:
                become_another_process()
            which = self.random.choice([each for each in (self.turns, self.steps) if each] or [[]])
            if not which:
                return
            found = copy.deepcopy(self.random.choice(which))
            if which is self.turns:
                # What such a turn begins is work like any other, unless it is void.
                step = take_claimed_turn(found, "")
                if step is not None:
                    self.steps.append(copy.deepcopy(step))
                    run_step(step, None)
            elif found.kind != "action":
                # An action that is in two hands has its effect twice, as any that runs past its lease.
                run_step(found, None)


def wanted(shape: str) -> dict[str, Any]:
    start_over()
    begin(SHAPES[shape])
    bring_to_an_end()
    return observed()


@pytest.mark.parametrize("shape", EXACT)
def test_doubled_late_and_reordered_deliveries_change_nothing(shape: str) -> None:
    expected = wanted(shape)
    for seed in range(4):
        start_over()
        begin(SHAPES[shape])
        deliveries = Deliveries(seed, repeated=0.45)
        for _ in range(40):
            deliveries.some_work()
        bring_to_an_end()
        assert observed() == expected, seed
        for old in (*deliveries.turns, *[each for each in deliveries.steps if each.kind != "action"]):
            (take_claimed_turn(old, "") if old in deliveries.turns else run_step(old, ""))
        assert observed() == expected, "after the end"


class Repeated:
    """Delivers again, while a batch is led and afterwards, what was claimed for it and what came of its steps."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.turns: list[Any] = []
        self.ends: list[Any] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        timed, claim_more = batches.timed, drains.claim_more

        def timed_and_again(step: Any, fn: Any) -> Any:
            before = copy.deepcopy(step)
            outcome, seconds = timed(step, fn)
            while self.random.random() < 0.4:
                self.again()
            self.ends.append((before, outcome))
            return outcome, seconds

        def claimed(*args: Any) -> Any:
            found = claim_more(*args)
            self.turns += copy.deepcopy(found)
            return found

        batches.timed, drains.claim_more = timed_and_again, claimed
        try:
            yield
        finally:
            batches.timed, drains.claim_more = timed, claim_more

    def again(self) -> None:
        if self.random.random() < 0.2:
            become_another_process()
        which = self.random.choice([each for each in (self.turns, self.ends) if each] or [None])
        if which is self.turns:
            take_claimed_turn(copy.deepcopy(self.random.choice(which)), None)
        elif which is self.ends:
            step, outcome = copy.deepcopy(self.random.choice(which))
            finish(step, outcome, None)


@pytest.mark.parametrize(
    "words", [["action", "query", "action"], ["action", "retried"], ["several", "action"], ["action", "anew", "query"]]
)
def test_what_is_delivered_again_in_a_batch_changes_nothing(words: list[str]) -> None:
    start_over()
    lead(several(words, 3))
    bring_to_an_end()
    expected = observed()
    for seed in range(6):
        start_over()
        worker, repeated = several(words, 3), Repeated(seed)
        with side_by_side(), repeated.watching():
            drain(worker, seconds=20)
        assert len(repeated.turns) >= 2, "two beside the first one"
        bring_to_an_end()
        assert observed() == expected, seed
        for _ in range(20):
            repeated.again()
        assert observed() == expected, "after the end"
