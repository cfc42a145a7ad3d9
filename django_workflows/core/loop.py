"""Decides the order in which a handler's coroutines run: always the same for the same deliveries."""

from __future__ import annotations

import asyncio
import gc
import sys
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Protocol

from .as_completed import given_to_as_completed, in_order
from .durations import to_seconds
from .gathered import order_by_parts
from .refusals import refuse_the_rest

#: How often a coroutine that is set aside may await something in its ``finally`` blocks before it is given up.
CLOSINGS = 100
#: Finished tasks are forgotten when there are twice as many tasks as after the last time, and this many more.
_TASKS_BEFORE_TIDYING = 64


class SetAside(BaseException):
    """Raised in a handler that is set aside, where it waits, so that its ``finally`` blocks run."""


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
    """A task that hashes by its number of creation, and knows the context in which it runs."""

    _order: int
    _variables: Context
    #: The task that made it, and whether anybody has awaited it or asked to be called when it is done.
    _maker: asyncio.Task[Any] | None = None
    _observed = False

    def __hash__(self) -> int:
        return self._order

    def __await__(self) -> Generator[Any, None, Any]:
        self._observed = True
        return super().__await__()

    __iter__ = __await__

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        self._observed = True
        super().add_done_callback(fn, context=context)

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for what it does: it, or a task that made it, goes on, and was never awaited."""
        task: asyncio.Task[Any] | None = self
        while isinstance(task, ReplayTask) and task._maker is not None:
            if not task.done() and not task._observed:
                return True
            task = task._maker
        return False


class ReplayLoop(asyncio.AbstractEventLoop):
    """An event loop with a ready queue and nothing else: no clock, no IO, no threads.

    ``call_later`` and ``call_at`` become durable timers of the ``Timekeeper``. Everything that would reach outside
    raises ``UnsupportedInHandler``. ``seed`` keeps hashes of different workflows apart.
    """

    def __init__(self, timekeeper: Timekeeper, seed: int) -> None:
        self._timekeeper = timekeeper
        self._ready: deque[asyncio.Handle] = deque()
        self._seed = self._order = seed
        self._stopped = False
        self._tasks, self._tidy_at = list[ReplayTask](), _TASKS_BEFORE_TIDYING
        self._early: dict[Coroutine[Any, Any, Any], asyncio.Task[Any]] = {}

    # -- what runs

    def run_until_idle(self, main: asyncio.Task[Any]) -> None:
        """Run whatever is ready, and what that makes ready, until nothing is, or ``main`` has ended and all with it.

        ``SystemExit`` and ``KeyboardInterrupt`` of a task come out of here too, as asyncio has it; see ``is_outcome``.
        """
        self._inside(self._run_ready, main)
        if main.done():
            self.stop()

    def _inside(self, work: Callable[..., None], *args: Any) -> None:
        """Run ``work`` as this thread's event loop.

        The garbage collector rests meanwhile: it would close what it finds at moments that no replay could repeat.
        """
        outer_loop, outer_hooks, collecting = events._get_running_loop(), sys.get_asyncgen_hooks(), gc.isenabled()
        try:
            gc.disable()
            events._set_running_loop(self)
            sys.set_asyncgen_hooks(None, self._close_generator)
            work(*args)
        finally:
            sys.set_asyncgen_hooks(*outer_hooks)
            events._set_running_loop(outer_loop)
            if collecting:
                gc.enable()

    def _run_ready(self, main: asyncio.Task[Any]) -> None:
        ready = self._ready
        while ready and not main.done():
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def is_outcome(self, error: BaseException) -> bool:
        """Whether a task has ended with exactly this exception."""
        return any(task.done() and not task.cancelled() and task.exception() is error for task in self._tasks)

    def stop(self) -> None:
        """Run nothing more, ever."""
        self._stopped = True
        self._ready.clear()

    def abandon(self) -> None:
        """Run nothing more, and close all coroutines: their ``finally`` blocks run, and whatever they raise is lost."""
        self.stop()
        self._inside(self._close_tasks)

    def _close_tasks(self) -> None:
        for task in self._tasks:
            if not task.done():
                task._variables.run(_close, task.get_coro())
        self._tasks.clear()

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Let an async generator that was left, by ``break`` for example, run its ``finally`` blocks."""
        if not self._stopped and events._get_running_loop() is self:
            self.create_task(generator.aclose())

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
        seconds = to_seconds(max(0.0, delay), what="a timer (asyncio.sleep, asyncio.timeout, loop.call_later)")
        timer = DurableTimer(self.time() + seconds, callback, args, self, context)
        if not self._stopped:
            self._timekeeper.set_timer(timer, seconds)
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
        if coro in self._early:
            return self._early.pop(coro)
        given = given_to_as_completed()
        if given is not None:
            self._early = {each: self._new_task(each) for each in in_order(given, coro)}
            return self._early.pop(coro)
        return self._new_task(coro, name, context, **options)

    def _new_task(
        self, coro: Coroutine[Any, Any, Any], name: object = None, context: Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        if self._stopped:
            coro.close()  # It will never begin, and Python would warn of that.
        # The task's first step and its registration hash it, so the number must be there before __init__ is.
        task = ReplayTask.__new__(ReplayTask)
        task._order = self.next_order()
        task._maker = asyncio.current_task(self)
        task._variables = copy_context() if context is None else context
        label = f"Task-{task._order - self._seed}" if name is None else str(name)
        ReplayTask.__init__(task, coro, loop=self, name=label, context=task._variables, **options)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._keep(task)
        return task

    def _keep(self, task: ReplayTask) -> None:
        """Asyncio itself knows tasks weakly, and the garbage collector would end those that wait for each other."""
        self._tasks.append(task)
        if len(self._tasks) > self._tidy_at:
            self._tasks = [each for each in self._tasks if not each.done()]
            self._tidy_at = 2 * len(self._tasks) + _TASKS_BEFORE_TIDYING

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Say nothing: an outcome that nobody awaited is not an error of the handler."""

    def get_exception_handler(self) -> None:
        return None

    async def shutdown_asyncgens(self) -> None:
        pass


def _close(coroutine: Any) -> None:
    # Not close(): before Python 3.13 that leaves out what waits in an async generator.
    for _ in range(CLOSINGS):
        try:
            coroutine.throw(SetAside())
        except BaseException:  # noqa: BLE001 - whatever the handler does here must not reach the worker
            return


refuse_the_rest(ReplayLoop)
order_by_parts(ReplayLoop)
