"""Decides the order in which a handler's coroutines run: always the same for the same deliveries."""

from __future__ import annotations

import asyncio
import gc
import sys
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Set
from contextvars import Context, copy_context
from typing import Any, NoReturn, Protocol

from ..exceptions import UnsupportedInHandler
from .durations import to_seconds

#: How often a coroutine that is set aside may await something in its ``finally`` blocks before it is given up.
CLOSINGS = 100
#: Finished tasks are forgotten when there are twice as many tasks as after the last time, and this many more.
_TASKS_BEFORE_TIDYING = 64


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
        self._seed = self._order = seed
        self._stopped = False
        self._tasks: list[ReplayTask] = []
        self._tidy_at = _TASKS_BEFORE_TIDYING
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
        given = _given_to_as_completed()
        if given is not None:
            self._early = {each: self._new_task(each) for each in _in_order(given, coro)}
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
    for _ in range(CLOSINGS):
        try:
            coroutine.close()
        except BaseException:  # noqa: BLE001 - whatever the handler does here must not reach the worker
            continue
        return


# -- asyncio.as_completed puts what it is given into a set, and coroutines iterate there by their addresses


_TASKS = vars(asyncio.tasks)
# A function up to Python 3.12, a class with a function in front of it since.
_AS_COMPLETED = (asyncio.as_completed.__code__, *(
    [_TASKS["_AsCompletedIterator"].__init__.__code__] if "_AsCompletedIterator" in _TASKS else []
))


def _given_to_as_completed() -> Any:
    """What ``as_completed`` was given, if it is what now makes a task of a coroutine; ``None`` otherwise."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals is _TASKS:
        if frame.f_code in _AS_COMPLETED:
            return frame.f_locals.get("fs", frame.f_locals.get("aws"))
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _in_order(given: Any, coroutine: Coroutine[Any, Any, Any]) -> list[Coroutine[Any, Any, Any]]:
    """All the coroutines that ``as_completed`` was given, this one among them."""
    if not isinstance(given, (Iterator, Set)) or (isinstance(given, Set) and len(given) == 1):
        coroutines = [each for each in dict.fromkeys(given) if asyncio.iscoroutine(each)]
        if coroutine in coroutines:
            return coroutines
    coroutine.close()
    raise UnsupportedInHandler(
        "asyncio.as_completed() begins coroutines in an order of its own, which no replay could repeat: give it a list "
        "of them, futures of step calls, or tasks (asyncio.create_task)"
    )


# -- what a handler cannot have

_NETWORK = "a handler has no network and no files: do it in a function run by step.run_action"
_ENGINE = "the workflow engine runs this loop, and it is as it is"
_PROCESS = "a handler starts no processes: do it in a function run by step.run_action"
_SERVER = "nobody can reach into a handler: send the workflow an event"
_SIGNAL = "a handler gets no signals: send the workflow an event"
_THREAD = (
    "threads cannot be replayed (async ORM calls and sync_to_async use one): "
    "move this into a function and await step.run_query, step.run_mutation or step.run_action"
)
_INSTEAD = {
    "run_in_executor": _THREAD,
    "call_soon_threadsafe": "another thread cannot reach into a handler: send the workflow an event instead",
    "create_server": _SERVER,
    "create_unix_server": _SERVER,
    "start_serving": _SERVER,
    "subprocess_exec": _PROCESS,
    "subprocess_shell": _PROCESS,
    "add_signal_handler": _SIGNAL,
    "remove_signal_handler": _SIGNAL,
    "run_forever": _ENGINE,
    "run_until_complete": f"{_ENGINE}: await the coroutine instead",
    "close": _ENGINE,
    "set_task_factory": _ENGINE,
    "get_task_factory": _ENGINE,
    "set_exception_handler": _ENGINE,
    "default_exception_handler": _ENGINE,
    "set_default_executor": _ENGINE,
    "shutdown_default_executor": _ENGINE,
}


def _refuse(name: str) -> Callable[..., NoReturn]:
    why = _INSTEAD.get(name, _NETWORK)

    def refuse(self: ReplayLoop, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedInHandler(f"loop.{name}() is not possible in a workflow handler: {why}")

    refuse.__name__ = name
    return refuse


for _name in dir(asyncio.AbstractEventLoop):
    if not _name.startswith("_") and getattr(ReplayLoop, _name) is getattr(asyncio.AbstractEventLoop, _name):
        setattr(ReplayLoop, _name, _refuse(_name))
