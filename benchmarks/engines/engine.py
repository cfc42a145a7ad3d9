"""What every engine is asked to do; each of them does it in its own way, or says that it cannot."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Two processes work for each engine.
PROCESSES = 2


class CannotDo(Exception):
    """The engine has no such thing as this workload."""


class Engine:
    """One engine with its workers, ready for work. Durations are seconds."""

    #: The part of a long workflow that it is given: less where each step is so slow that a round would not end.
    share = 1.0

    def close(self) -> None:
        """Stop its workers."""

    def clear(self) -> None:
        """Forget everything that was run."""

    def sequential(self, workflows: int, steps: int, kind: str = "actions") -> float:
        """From the first start to the last end of workflows of so many steps, one after the other."""
        raise CannotDo

    def waits(self, workflows: int, steps: int, seconds: float) -> float:
        """The same, started at once, with steps that wait for so many seconds, as a call of a service does."""
        raise CannotDo

    def latency(self) -> float:
        """From the start of a workflow of one step on an idle system until another connection can see its end."""
        raise CannotDo

    def long(self, steps: int) -> list[float]:
        """When each step of one workflow ended, in seconds of any clock."""
        raise CannotDo

    def naps(self, steps: int, every: int, seconds: float) -> list[float]:
        """The same with a sleep of ``seconds`` after every so many steps."""
        raise CannotDo

    def replay(self, steps: int) -> Callable[[], float]:
        """Run a workflow of so many steps; gives what leads its code through what was recorded, once, and how long."""
        raise CannotDo

    def parallel(self, count: int) -> float:
        """From the start to the end of so many steps side by side."""
        raise CannotDo

    def children(self, count: int) -> float:
        """The same with workflows of one step each."""
        raise CannotDo

    def starts(self, count: int) -> float:
        """How long so many starts take, one by one in a transaction each; nobody works on them."""
        raise CannotDo

    def batch(self, count: int) -> float:
        """The same in one call."""
        raise CannotDo

    def tasks(self, count: int) -> float:
        """From the first enqueuing to the last end of so many of Django's tasks, enqueued in the engine's best way."""
        raise CannotDo

    def enqueues(self, count: int) -> float:
        """How long it takes to enqueue so many tasks, one by one in a transaction each; nobody works on them."""
        raise CannotDo

    def enqueues_together(self, count: int) -> float:
        """The same in one transaction."""
        raise CannotDo

    def enqueue_batch(self, count: int) -> float:
        """The same in one call."""
        raise CannotDo


def until(condition: Callable[[], bool], timeout: float = 120.0, pause: float = 0.01) -> None:
    """Wait until ``condition()`` holds, looking every ``pause`` seconds; ``TimeoutError`` after ``timeout``."""
    late = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > late:
            raise TimeoutError(f"not done after {timeout:g} s")
        time.sleep(pause)


def timed(work: Callable[[], object]) -> float:
    """How many seconds ``work()`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
