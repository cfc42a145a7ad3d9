"""The simulation has teeth: with a safeguard of the engine taken away, some seeds are enough for it to say so.

Without the fences by attempt and generation thousands may pass, so rare is what they guard against; in
``test_negative_controls`` and ``tests/races/test_teeth.py`` it is brought about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from django_workflows.engine import send_event
from tests.battery.observation import start_over
from tests.battery.simulation import Simulation
from tests.battery.test_negative_controls import effect_before_journal, rewritten

pytestmark = pytest.mark.sqlite
SEEDS = 60


@contextmanager
def no_wake_up() -> Iterator[None]:
    make_due, send_event.workflows.make_due = send_event.workflows.make_due, lambda *args: None
    try:
        yield
    finally:
        send_event.workflows.make_due = make_due


WITHOUT: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "effect before journal": effect_before_journal,
    "no recovery": lambda: rewritten(r"AND due_at <= ", "AND claimed_by = '' AND due_at <= "),
    "no wake-up": no_wake_up,
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
