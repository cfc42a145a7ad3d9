"""What every engine is asked to do, and how its answers are timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Engine(Protocol):
    """One engine with its workers running, on a database of its own. A workload that it has not is ``None``."""

    name: str

    def close(self) -> None:
        """End the workers."""

    def sequential(self, workflows: int, steps: int, kind: str) -> float | None:
        """Seconds for so many workflows of so many steps, one after the other; ``kind``: "actions" or "mutations"."""

    def latency(self) -> float | None:
        """Seconds from starting a workflow of one step on an idle system to its end."""

    def long(self, steps: int) -> list[float] | None:
        """One workflow: the seconds at which its steps ended."""

    def fan_out(self, count: int, kind: str) -> float | None:
        """Seconds for one workflow that runs so many at once; ``kind``: "actions" or "children"."""

    def starts(self, count: int, *, batch: bool) -> float | None:
        """Seconds to start so many workflows that nobody runs yet, one by one or at once."""


def until(condition: Callable[[], bool], timeout: float = 120.0, pause: float = 0.005) -> None:
    """Wait until ``condition()`` holds; ``TimeoutError`` after ``timeout`` seconds."""
    late = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > late:
            raise TimeoutError(f"not done after {timeout:g} s")
        time.sleep(pause)
