"""Holds the engine in the state that tests need, and gives it back as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from ..engine import dispatch, finish, invoke
from ..engine.live import live_handlers
from ..store import database, workflows


class _Silent:
    """Wakes nobody. Queues are named as they were, and Ctrl-C and pytest's own end the test, not the step."""

    channel = ""

    def __init__(self, before: dispatch.Dispatcher) -> None:
        self.interrupts: tuple[type[BaseException], ...] = (*before.interrupts, KeyboardInterrupt, *_pytests_own())
        self.default_queue = before.default_queue

    def wake(self, queue: str, seconds: float, count: int) -> None:
        pass


def _pytests_own() -> tuple[type[BaseException], ...]:
    """What ``pytest.fail`` and ``pytest.skip`` raise, also in a fake: it is meant for the test, not for a step."""
    return (module.OutcomeException,) if (module := sys.modules.get("_pytest.outcomes")) is not None else ()


@contextmanager
def takeover(stand_in: Callable[..., Any]) -> Iterator[None]:
    """In the block the clock stands, no worker is woken, every turn replays from zero, and retries have no jitter."""
    before = dispatch.use(dispatch.NoDispatcher())
    dispatch.use(_Silent(before))
    saved = database.frozen_at, database.clock_offset, invoke.stand_in, finish.uniform, live_handlers.none_kept
    database.clock_offset = timedelta(0)
    invoke.stand_in = stand_in
    finish.uniform = lambda: 0.5
    live_handlers.none_kept = True
    live_handlers.clear()
    set_clock(database.frozen_at or datetime.now(UTC))
    try:
        yield
    finally:
        database.frozen_at, database.clock_offset, invoke.stand_in, finish.uniform, live_handlers.none_kept = saved
        live_handlers.clear()
        forget()
        dispatch.use(before)


def set_clock(instant: datetime) -> None:
    """Let the engine's time be ``instant`` until it is set again."""
    database.frozen_at = instant
    forget()


def forget() -> None:
    """Forget what the store keeps in memory of the database: another test's may be gone."""
    database.clock.forget()
    workflows.levels._known.clear()
