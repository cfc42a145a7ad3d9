"""Engine tests run work in their own process, on a real database; see ``driver``."""

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from django_workflows.engine import batch, mutate_together, start
from django_workflows.engine.live import live_handlers
from tests.app import steps
from tests.engine.replays import assert_all_replay
from tests.waiting import PATIENCE


@pytest.fixture(autouse=True)
def engine(transactional_db: None) -> Iterator[None]:
    """A real database without rows and an engine without memories; whatever a test finished must replay afterwards."""
    steps.calls.clear()
    steps.hooks.clear()
    live_handlers.clear()
    yield
    try:
        assert_all_replay()
    finally:
        live_handlers.clear()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts are as many statements each time, however long ago the last one was: as where there are many."""
    monkeypatch.setattr(start, "_SELDOM", math.inf)
    monkeypatch.setattr(start._Latest, "at", 0.0)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """No step or turn is taken for slow, however busy this machine is: from where a test calls this on it may be."""
    limits = [(batch, "_STALL"), (batch, "QUICK"), (mutate_together, "_LONGEST")]
    usual = [getattr(module, name) for module, name in limits]
    for module, name in limits:
        monkeypatch.setattr(module, name, PATIENCE)

    def begin() -> None:
        for (module, name), value in zip(limits, usual, strict=True):
            monkeypatch.setattr(module, name, value)

    return begin


class Elsewhere:
    """Calls a function in another thread, so on another database connection, and returns or raises what it does."""

    @property
    def may_read_beside_a_writer(self) -> bool:
        """SQLite has one writer at a time, and so has a claim that finds nothing."""
        return connection.vendor == "postgresql"

    def __call__(self, function: Callable[..., Any], *args: Any) -> Any:
        (outcome,) = self.together([lambda: function(*args)])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def together(self, functions: list[Callable[[], Any]]) -> list[Any]:
        """Call all of them at the same time, each in a thread of its own; what they returned or raised."""
        outcomes: list[Any] = [None] * len(functions)
        barrier = threading.Barrier(len(functions))

        def call(index: int) -> None:
            try:
                barrier.wait(timeout=PATIENCE)
                outcomes[index] = functions[index]()
            except BaseException as error:  # noqa: BLE001 - handed to the test
                outcomes[index] = error
            finally:
                connection.close()

        threads = [threading.Thread(target=call, args=(index,)) for index in range(len(functions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere()
