"""The simulation has teeth: with a safeguard of the engine taken away, some seeds are enough for it to say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from django_workflows.engine import send_event
from django_workflows.engine.marks import Marks
from tests.battery.observation import start_over
from tests.battery.simulation import Simulation
from tests.battery.test_negative_controls import (
    effect_before_journal,
    no_attempt_fence,
    no_generation_fence,
    rewritten,
)

pytestmark = pytest.mark.sqlite
SEEDS = 200


@contextmanager
def no_wake_up() -> Iterator[None]:
    make_due, send_event.workflows.make_due = send_event.workflows.make_due, lambda *args: None
    try:
        yield
    finally:
        send_event.workflows.make_due = make_due


@contextmanager
def everything_unbegun() -> Iterator[None]:
    """A worker that leads a batch does not mark what it begins."""
    begun, Marks.begun = Marks.begun, lambda *args: None
    try:
        yield
    finally:
        Marks.begun = begun


def late_returns() -> AbstractContextManager[None]:
    """What a worker gives back, renews or reports may be of before a restart."""
    return rewritten(r"(AND \(SELECT generation FROM \w+ AS owner WHERE owner.id = workflow_id\)) = (%s)", r"\1 >= \2")


WITHOUT: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "effect before journal": effect_before_journal,
    "no recovery": lambda: rewritten(r"AND due_at <= ", "AND claimed_by = '' AND due_at <= "),
    "no wake-up": no_wake_up,
    "no attempt fence": no_attempt_fence,
    "no generation fence": no_generation_fence,
    "no generation fence around what is given back": late_returns,
    "no marks of what was begun": everything_unbegun,
}


@pytest.mark.parametrize("name", WITHOUT)
def test_without_its_safeguard_some_seed_fails(name: str, record_property: Callable[[str, Any], None]) -> None:
    with WITHOUT[name]():
        failure = next(filter(None, map(failure_of, range(SEEDS))), None)
    assert failure, f"{SEEDS} seeds passed without it"
    record_property("figures", f"simulation with {name}: {failure}")


def failure_of(seed: int) -> str:
    try:
        Simulation(seed).run()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return f"seed {seed} fails, {str(error).splitlines()[0][:80]}"
    finally:
        start_over()
    return ""
