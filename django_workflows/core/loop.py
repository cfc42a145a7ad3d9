"""Decides the order in which a handler's coroutines run: always the same for the same deliveries."""

from __future__ import annotations

import asyncio
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, NoReturn, Protocol

from ..exceptions import UnsupportedInHandler


class Timekeeper(Protocol):
    """What the loop needs of its owner: the recorded time, and durable timers."""

    def time(self) -> float: ...

    def set_timer(self, timer: DurableTimer, delay: float) -> None: ...

    def drop_timer(self, timer: DurableTimer) -> None: ...


class DurableTimer(asyncio.TimerHandle):
    """A ``call_later`` that is step ``number`` of the journal."""

    __slots__ = ("number",)
    number: int


class ReplayFuture(asyncio.Future[Any]):
    """A future that hashes by its number of creation, so that a set of futures iterates the same on every replay."""

    _order: int

    def __hash__(self) -> int:
        return self._order


class ReplayTask(asyncio.Task[Any]):
    """A task that hashes by its number of creation."""

    _order: int

    def __hash__(self) -> int:
        return self._order


class ReplayLoop(asyncio.AbstractEventLoop):
    """An event loop with a ready queue and nothing else: no clock, no IO, no threads.

    ``call_later`` and ``call_at`` become durable timers of the ``Timekeeper``. Everything that would reach outside
    raises ``UnsupportedInHandler``. ``seed`` keeps hashes of different workflows apart.
    """

    def __init__(self, timekeeper: Timekeeper, seed: int) -> None:
        self._timekeeper = timekeeper
        self._ready: deque[asyncio.Handle] = deque()
        self._order = seed
        self._stopped = False

    # -- what runs

    def run_until_idle(self) -> None:
        """Run whatever is ready, and what that makes ready, until nothing is."""
        outer_loop, outer_hooks = events._get_running_loop(), sys.get_asyncgen_hooks()
        events._set_running_loop(self)
        if outer_hooks.firstiter or outer_hooks.finalizer:
            sys.set_asyncgen_hooks(None, None)
        ready = self._ready
        try:
            while ready and not self._stopped:
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            events._set_running_loop(outer_loop)
            if outer_hooks.firstiter or outer_hooks.finalizer:
                sys.set_asyncgen_hooks(*outer_hooks)

    def stop(self) -> None:
        """Run nothing more, ever."""
        self._stopped = True
        self._ready.clear()

    def is_running(self) -> bool:
        return events._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        pass

    def time(self) -> float:
        return self._timekeeper.time()

    # -- callbacks, futures, tasks

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self._stopped:
            self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> DurableTimer:
        timer = DurableTimer(self.time() + delay, callback, args, self, context)
        if not self._stopped:
            self._timekeeper.set_timer(timer, max(0.0, delay))
        return timer

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> DurableTimer:
        return self.call_later(when - self.time(), callback, *args, context=context)

    def fire(self, timer: DurableTimer) -> None:
        """Let a timer's callback run next."""
        if not timer.cancelled():
            self._ready.append(timer)

    def _timer_handle_cancelled(self, timer: DurableTimer) -> None:
        if not self._stopped:
            self._timekeeper.drop_timer(timer)

    def next_order(self) -> int:
        self._order += 1
        return self._order

    def create_future(self) -> asyncio.Future[Any]:
        future = ReplayFuture(loop=self)
        future._order = self.next_order()
        return future

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: object = None, context: Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        # The task's first step and its registration hash it, so the number must be there before __init__ is.
        task = ReplayTask.__new__(ReplayTask)
        task._order = self.next_order()
        label = None if name is None else str(name)
        ReplayTask.__init__(task, coro, loop=self, name=label, context=context, **options)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing: an outcome that nobody awaited is not an error of the handler."""

    def get_exception_handler(self) -> None:
        return None

    async def shutdown_asyncgens(self) -> None:
        pass


_INSTEAD = {
    "run_in_executor": "threads cannot be replayed (async ORM calls and sync_to_async use one): "
    "move this into a function and await step.run_query, step.run_mutation or step.run_action",
    "call_soon_threadsafe": "another thread cannot reach into a handler: send the workflow an event instead",
    "create_connection": "a handler has no network: open connections in a function run by step.run_action",
    "subprocess_exec": "a handler starts no processes: do it in a function run by step.run_action",
    "subprocess_shell": "a handler starts no processes: do it in a function run by step.run_action",
    "add_signal_handler": "a handler gets no signals",
    "run_forever": "the workflow engine runs this loop",
    "run_until_complete": "the workflow engine runs this loop: await the coroutine instead",
}


def _refuse(name: str) -> Callable[..., NoReturn]:
    why = _INSTEAD.get(name, "a handler has no network and no files: do it in a function run by step.run_action")

    def refuse(self: ReplayLoop, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedInHandler(f"loop.{name}() is not possible in a workflow handler: {why}")

    refuse.__name__ = name
    return refuse


for _name in dir(asyncio.AbstractEventLoop):
    if not _name.startswith("_") and getattr(ReplayLoop, _name) is getattr(asyncio.AbstractEventLoop, _name):
        setattr(ReplayLoop, _name, _refuse(_name))
