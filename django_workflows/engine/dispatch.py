"""How the engine wakes workers, without knowing who supplies them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Dispatcher(Protocol):
    """Whoever supplies worker processes."""

    #: Exceptions by which it ends a worker's task from outside. They pass through, once they are recorded.
    interrupts: tuple[type[BaseException], ...]

    @property
    def default_queue(self) -> str:
        """Its name for the queue that rows call ""."""

    @property
    def channel(self) -> str:
        """PostgreSQL's channel on which its workers hear the names of queues that have work; "" if there is none."""

    def wake(self, queue: str, seconds: float, count: int) -> None:
        """``count`` pieces of work fall due in ``seconds``: a hint, given in the transaction that writes them."""


class NoDispatcher:
    """For tests and scripts that drain by themselves."""

    interrupts: tuple[type[BaseException], ...] = ()
    default_queue = ""
    channel = ""

    def wake(self, queue: str, seconds: float, count: int) -> None:
        pass


_dispatcher: Dispatcher = NoDispatcher()
#: By queue, the seconds until each piece of work falls due that is to be told together.
_gathered: ContextVar[dict[str, list[tuple[float, int]]] | None] = ContextVar("django_workflows_wakes", default=None)


def use(dispatcher: Dispatcher) -> Dispatcher:
    """Set who is woken from now on in this process; returns who was before."""
    global _dispatcher
    before, _dispatcher = _dispatcher, dispatcher
    return before


def wake(queue: str, seconds: float = 0.0, count: int = 1) -> None:
    """Have ``count`` workers of a queue look in ``seconds``, once the transaction is committed."""
    gathered = _gathered.get()
    if gathered is None:
        _dispatcher.wake(queue, max(0.0, seconds), count)
    else:
        gathered.setdefault(queue, []).append((max(0.0, seconds), count))


def channel() -> str:
    """Where a statement that writes work which is due may say so itself, instead of ``wake``; "" if nowhere."""
    return _dispatcher.channel if _gathered.get() is None else ""


@contextmanager
def waking_together() -> Iterator[None]:
    """Of all that falls due by what is done in the block, tell each queue once, at its end."""
    gathered: dict[str, list[tuple[float, int]]] = {}
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
        for queue, due in gathered.items():
            first, _ = min(due)
            wake(queue, first, sum(count for seconds, count in due if seconds <= first))


def queue_name(queue: str) -> str:
    """The name of a queue as rows have it: the default one is ""."""
    return "" if queue == _dispatcher.default_queue else queue


def interrupts() -> tuple[type[BaseException], ...]:
    return _dispatcher.interrupts
