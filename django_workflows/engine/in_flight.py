"""Actions in flight: side by side on one event loop, or in threads, while their worker does other things.

Here they are begun, canceled and awaited. What comes of them is written by ``landing``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from ..conf import settings
from ..core.commands import Outcome
from ..core.entries import NewStep
from ..core.journal import AttemptId, ClaimedStep, Lane, StepKind
from ..core.outcomes import failure_of
from ..core.registry import registry
from ..core.signatures import Signature
from ..exceptions import StepInterrupted
from ..store import attempts
from ..store.attempts import adopt
from ..store.database import alias, retrying
from ..store.session import drop_all, owning
from . import invoke
from .action_threads import ActionThreads
from .borrowed_connections import ConnectionThreads
from .current import CurrentStep, here, unwritten
from .invoke import attempt, attempt_in_flight, too_late
from .log_fields import of_step
from .pace import pace

logger = logging.getLogger("django_workflows")

#: Seconds that a coroutine which was canceled gets to end, before it is written off: its failure is recorded, and its
#: place stays taken until it does end.
GRACE = 1.0
#: Seconds for which the event loop may be busy with one coroutine, until that is told.
_BLOCKED = 2.0
#: Seconds for which ``stopping()`` is not asked again.
_MOMENT = 0.05
#: How many of those that were lost with their worker once are in flight at a time: one of them may have killed it.
_SUSPECTS = 16
#: How many steps that were claimed while there was a place may wait for one.
_HELD = 256


@dataclass(slots=True, eq=False)
class Flight:
    """An attempt in flight. ``ends_at`` is when it is late, by ``time.monotonic``."""

    step: ClaimedStep
    began: float
    ends_at: float = math.inf
    #: It was lost with its worker once.
    suspicious: bool = False
    task: asyncio.Task[None] | None = None
    #: Nobody wants it any more: what it returns is thrown away.
    unwanted: bool = False
    #: When it was canceled, for whatever reason.
    canceled_at: float = math.inf
    #: Its outcome was recorded, though it has not ended.
    written_off: bool = False
    #: Its thread is past help, and does not count any more.
    replaced: bool = False
    #: The tasks that its function has started.
    tasks: WeakSet[asyncio.Task[Any]] | None = None

    def is_unwanted(self) -> bool:
        return self.unwanted


_flight: ContextVar[Flight | None] = ContextVar("django_workflows_flight", default=None)


def _task_of_flight(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    """A task, known to the flight whose function starts it."""
    task = asyncio.Task(coro, loop=loop, **options)
    flight = _flight.get()
    if flight is not None:
        if flight.tasks is None:
            flight.tasks = WeakSet()
        flight.tasks.add(task)
    return task


class Flights:
    """All that this process has in flight. ``landed`` are those that have ended, with their outcomes, to be written.

    Closed at first: nothing flies, and each action is run in the main thread. ``news`` is set when one has landed.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.closing = False
        self.worker = ""
        self.landed: deque[tuple[ClaimedStep, Outcome]] = deque()
        self.news = threading.Event()
        #: The lanes of which there may be more to claim than there was room for.
        self.backlog: set[Lane] = set()
        self._flying: dict[AttemptId, Flight] = {}
        #: Claimed and not begun, each with whether it is suspicious.
        self._held: deque[tuple[ClaimedStep, bool]] = deque()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections = ConnectionThreads()
        self._threads = ActionThreads()
        #: How many places of each lane are kept for steps that the driver has picked and not begun.
        self._picked: Counter[int] = Counter()
        #: How many places of each lane are taken.
        self._count: Counter[int] = Counter()
        self._stopping: Callable[[], bool] = lambda: False
        self._stopping_asked, self._stopped = -math.inf, False
        self._exclusive = False
        self._pinged: float = math.inf
        self._told_blocked = False

    def open(self, stopping: Callable[[], bool]) -> None:
        """Let async actions fly in this process, until ``stopping()``."""
        self._stopping, self.is_open = stopping, True

    # -- how many there may be

    def __len__(self) -> int:
        return len(self._flying) + len(self._held)

    def room(self, lane: int) -> int:
        """How many more of a lane may be begun now, beside those that wait for that."""
        if not self.is_open or self.closing or self._exclusive or self._is_stopping():
            return 0
        left = self._places(lane) - self._taken(lane) - sum(step.lane == lane for step, _ in self._held)
        left -= self._picked[lane]
        if left <= 0:
            self.backlog.add(Lane(lane))
        return max(0, left)

    @staticmethod
    def _places(lane: int) -> int:
        return int(settings.ASYNC_ACTIONS if lane == Lane.ASYNC else settings.ACTION_THREADS)

    def _taken(self, lane: int) -> int:
        return self._count[lane]

    def _is_stopping(self) -> bool:
        now = time.monotonic()
        if not self._stopped and now - self._stopping_asked > _MOMENT:
            self._stopping_asked, self._stopped = now, self._stopping()
        return self._stopped

    def lanes(self, *, first: Lane = Lane.MAIN) -> tuple[Lane, ...]:
        """The lanes of which a worker may claim, with the one that it is to look at first; ``()``: any."""
        if not self.is_open:
            return ()
        found = [lane for lane in Lane if lane == Lane.MAIN or not self.is_used(lane) or self.room(lane)]
        return tuple(sorted(found, key=lambda lane: (lane - first) % len(Lane)))

    def is_used(self, lane: int) -> bool:
        """Whether steps of that lane are in flight here; else the main thread runs them, one at a time."""
        return self.is_open and lane != Lane.MAIN and self._places(lane) > 0

    def carries(self, new: NewStep) -> bool:
        """Whether a step that was asked for is to be in flight, if there is room."""
        return self.is_used(new.lane) and (new.lane == Lane.ASYNC or not pace.is_quick(new.function))

    def may_pick(self, new: NewStep) -> bool:
        """Whether this thread may go on with a step that it has just asked for."""
        if not self.is_open:
            return True
        if self.carries(new):
            free = self.room(new.lane) > 0
            self._picked[new.lane] += free
            return free
        return threading.get_ident() == threading.main_thread().ident

    # -- begun

    def flies(self, step: ClaimedStep) -> bool:
        """Whether a claimed step is one for the event loop, or for a thread."""
        if not self.is_open or step.kind != StepKind.ACTION or step.damage or step.options.get("exclusive"):
            return False
        fn = registry.functions.get((step.workflow_name, step.function))
        if fn is None or invoke.stand_in is not None or len(self._held) >= _HELD:
            return False
        # By what the function is now, whatever it was when the step was written.
        step.lane = Lane.ASYNC if Signature.of(fn).is_coroutine else Lane.THREAD
        return self.is_used(step.lane) and (step.lane == Lane.ASYNC or not pace.is_quick(step.function))

    def launch(self, step: ClaimedStep, *, suspicious: bool = False) -> bool:
        """Begin a claimed step that flies, once there is room; False: the caller runs it. The caller is the driver.

        ``suspicious``: it was lost with its worker, and may be why.
        """
        if not self.flies(step):
            return False
        if step.lane == Lane.ASYNC:
            pace.note(step, 0.0)  # it keeps nobody waiting
        self._picked[step.lane] = max(0, self._picked[step.lane] - 1)
        self._held.append((step, suspicious))
        self.take_off()
        return True

    def all_launched(self) -> None:
        """What was picked is begun by now, or will never be, since its turn was void."""
        self._picked.clear()

    def take_off(self) -> None:
        """Begin those that are held, as far as there is room."""
        suspects = sum(flight.suspicious for flight in self.those()) if any(each for _, each in self._held) else 0
        for _ in range(0 if self._exclusive else len(self._held)):
            step, suspicious = self._held.popleft()
            if self._taken(step.lane) >= self._places(step.lane) or (suspicious and suspects >= _SUSPECTS):
                self._held.append((step, suspicious))
                continue
            suspects += suspicious
            self._begin(step, suspicious)

    def _begin(self, step: ClaimedStep, suspicious: bool) -> None:
        now = time.monotonic()
        flight = Flight(step, now, suspicious=suspicious)
        timeout = step.options.get("timeout")
        if timeout is not None:
            flight.ends_at = now + timeout
        with self._lock:
            self._flying[step.attempt_id] = flight
            self._count[step.lane] += 1
        if len(self._flying) == 1:
            self.news.set()  # there is something to look after
        if step.lane == Lane.THREAD:
            self._threads.run(partial(self._run, flight))
            return
        loop = self._loop
        if loop is None or not loop.is_running():
            loop = self._start_loop()
        loop.call_soon_threadsafe(self._create, flight)

    def _start_loop(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.new_event_loop()
        loop.set_task_factory(_task_of_flight)
        running, process = threading.Event(), os.getpid()

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(running.set)
            while True:
                try:
                    loop.run_forever()
                except BaseException:
                    if os.getpid() != process:
                        os._exit(1)
                    # A task that a function has left behind ends the loop by SystemExit, say: all others go on.
                    logger.exception("A task that an async action started has ended the event loop, which goes on")

        threading.Thread(target=run, name="django_workflows event loop", daemon=True).start()
        running.wait()
        return loop

    # -- on the loop

    def _create(self, flight: Flight) -> None:
        if flight.canceled_at < math.inf and flight.task is None:
            self._end(flight, None)
            return
        assert self._loop is not None
        flight.task = self._loop.create_task(self._fly(flight), context=Context())

    async def _fly(self, flight: Flight) -> None:
        step, outcome = flight.step, None
        _flight.set(flight)
        context = ThreadSensitiveContext()
        SyncToAsync.thread_sensitive_context.set(context)
        connections = self._connections.lend(context)
        try:
            fn = registry.functions[step.workflow_name, step.function]
            current = CurrentStep(step, _unwanted=flight.is_unwanted)
            outcome = await attempt_in_flight(step, fn, current)
        except asyncio.CancelledError:
            pass  # by us, and why is known
        except BaseException as error:  # noqa: BLE001 - it would end the loop, and with it all others
            outcome = Outcome(step.number, error=failure_of(error, attempts=step.attempt))
        finally:
            self._connections.give_back(context, connections)
            self._end_tasks(flight)
            self._end(flight, outcome)

    def _end_tasks(self, flight: Flight) -> None:
        """Nothing that the function has begun goes on without it."""
        left = [task for task in flight.tasks or () if not task.done()]
        for task in left:
            task.cancel()
        if left and not flight.unwanted:
            names = ", ".join(sorted(getattr(task.get_coro(), "__qualname__", "a task") for task in left)[:3])
            many = f"{len(left)} tasks" if len(left) > 1 else "a task"
            self._tell(flight, f"has returned and left {many} behind ({names}), canceled now. Await what it starts")

    # -- in a thread

    def _run(self, flight: Flight) -> None:
        step, outcome = flight.step, None
        here.unwanted, began = flight.is_unwanted, time.perf_counter()
        try:
            fn = registry.functions[step.workflow_name, step.function]
            with owning(alias()):
                outcome = attempt(step, fn)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is this attempt's
            outcome = Outcome(step.number, error=failure_of(error, attempts=step.attempt))
        finally:
            here.unwanted = None
            pace.note(step, time.perf_counter() - began)
            with suppress(Exception):
                drop_all()
            self._end(flight, outcome)

    # -- and then

    def _end(self, flight: Flight, outcome: Outcome | None) -> None:
        """It has ended: its place is free, and its outcome is to be written, if anybody wants it still."""
        with self._lock:
            if self._flying.pop(flight.step.attempt_id, None) is not None and not flight.replaced:
                self._count[flight.step.lane] -= 1
            if not flight.written_off:
                if outcome is None and not flight.unwanted:
                    outcome = self._interrupted(flight.step)
                if outcome is not None and not flight.unwanted:
                    self.landed.append((flight.step, outcome))
        self.news.set()

    @staticmethod
    def _interrupted(step: ClaimedStep) -> Outcome:
        grace = settings.SHUTDOWN_GRACE
        text = (
            f"its worker was stopped, and has waited for it for {grace:g} s (SHUTDOWN_GRACE). Whether it had an effect "
            "is not known"
        )
        return Outcome(step.number, error=failure_of(StepInterrupted(text), attempts=step.attempt))

    # -- looked after, by the lander's thread

    def those(self) -> list[Flight]:
        with self._lock:
            return list(self._flying.values())

    def renew(self, older_than: float) -> None:
        """Renew the leases of what is in flight, or landed and not yet written, for so many seconds; any thread."""
        latest = time.monotonic() - older_than
        with self._lock:
            those = [flight.step.attempt_id for flight in self._flying.values() if flight.began <= latest]
            those += [step.attempt_id for step, _ in self.landed]
            those += [step.attempt_id for step, _ in self._held]
        if those:
            attempts.renew_many(those)

    def adopt(self, former: str, worker: str) -> None:
        """The worker goes on under another id: what is in flight is not given back with the rest."""
        with self._lock:
            those = [*self._flying, *(step.attempt_id for step, _ in self.landed)]
            those += [step.attempt_id for step, _ in self._held]
        retrying(lambda: adopt(those, former, worker))

    def cancel_unwanted(self) -> None:
        """Cancel those of which the database says that nobody wants them any more."""
        those = self.those()
        if not those:
            return
        unwanted = attempts.unwanted([flight.step.attempt_id for flight in those if not flight.unwanted])
        for flight in those:
            if flight.step.attempt_id in unwanted:
                flight.unwanted = True
                self._cancel(flight)

    def _cancel(self, flight: Flight) -> None:
        flight.canceled_at = min(flight.canceled_at, time.monotonic())
        if flight.step.lane == Lane.THREAD:
            return

        def cancel() -> None:
            if flight.task is not None:
                flight.task.cancel()

        if self._loop is not None:
            self._loop.call_soon_threadsafe(cancel)

    def write_off(self) -> None:
        """Record the failure of those that are late, or were canceled, and have not ended since."""
        now = time.monotonic()
        for flight in self.those():
            late = now > flight.ends_at + GRACE
            # A thread cannot be canceled, only asked to look.
            canceled = now > flight.canceled_at + GRACE and (flight.step.lane == Lane.ASYNC or self.closing)
            if flight.written_off or not (late or canceled):
                continue
            with self._lock:
                if flight.step.attempt_id not in self._flying or flight.written_off:
                    continue
                flight.written_off = True
                if flight.step.lane == Lane.THREAD:
                    flight.replaced = True
                    self._count[Lane.THREAD] -= 1
                if not flight.unwanted:
                    step = flight.step
                    outcome = Outcome(step.number, error=failure_of(too_late(step), attempts=step.attempt))
                    self.landed.append((step, outcome if late else self._interrupted(step)))
            why = "is past its timeout" if late else "was canceled"
            place = "Its place on the event loop stays taken until it does"
            if flight.replaced:
                place = "Another thread takes its place"
            self._tell(flight, f"{why} and has not ended. {place}")
            self.news.set()

    def look_at_loop(self) -> None:
        """Tell, once, which function keeps the event loop from all others."""
        loop, now = self._loop, time.monotonic()
        if loop is None or not self._count[Lane.ASYNC]:
            self._pinged = math.inf
            return
        if self._pinged == math.inf:
            self._pinged = now

            def pong() -> None:
                self._pinged, self._told_blocked = math.inf, False

            loop.call_soon_threadsafe(pong)
        elif now - self._pinged >= _BLOCKED and not self._told_blocked:
            self._told_blocked = True
            self._tell_blocked(now - self._pinged)

    def _tell_blocked(self, seconds: float) -> None:
        frame = next((sys._current_frames().get(each.ident or 0) for each in threading.enumerate()
                      if each.name == "django_workflows event loop"), None)  # fmt: skip
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        running = [flight for flight in self.those() if flight.task is not None and _runs(flight.task, frame)]
        names = ", ".join(
            f"{each.step.function} (step {each.step.number} of {each.step.workflow_id})" for each in running
        )
        logger.warning(
            "%s has kept the event loop of worker %s for %.1f s, so %d other actions wait. An async function must not "
            "block: await what takes time, or make it an ordinary function (def). It is here:\n%s",
            names or "A function", self.worker, seconds, max(0, len(self) - 1), stack,
        )  # fmt: skip

    @staticmethod
    def _tell(flight: Flight, what: str) -> None:
        step = flight.step
        message = "Step %d (%s) of %s %s %s"
        names = step.number, step.name, step.workflow_name, step.workflow_id
        logger.warning(message, *names, what, extra=of_step(step))

    @property
    def has_reports(self) -> bool:
        return bool(unwritten)

    # -- alone, and at the end

    @contextmanager
    def alone(self, wait: Callable[[Callable[[], bool]], None]) -> Iterator[None]:
        """In the block nothing is in flight, and nothing is begun. ``wait(until)`` waits while things land."""
        self._exclusive = True
        try:
            wait(lambda: all(flight.written_off for flight in self.those()))
            yield
        finally:
            self._exclusive = False
            self.take_off()

    def doing(self) -> str:
        """What is said of them: one that goes on though nobody wants it, or the one that has been longest in flight."""
        those = [flight for flight in self.those() if not flight.unwanted or flight.step.lane == Lane.THREAD]
        if not those:
            return ""
        step = min(those, key=lambda flight: (not flight.unwanted, flight.began)).step
        return f"{step.workflow_name} {step.workflow_id} step {step.number} {step.name}"

    def give_back_held(self) -> list[ClaimedStep]:
        """Those that were claimed and not begun."""
        held = [step for step, _ in self._held]
        self._held.clear()
        return held

    def interrupt(self) -> None:
        """Cancel all: the worker waits no longer."""
        for flight in self.those():
            self._cancel(flight)

    def close_connections(self) -> None:
        """Close the database connections of what is not in flight any more."""
        self._connections.close_idle()


def _runs(task: asyncio.Task[None], frame: object) -> bool:
    """Whether a task is the one that is running in the thread of ``frame``."""
    stack = task.get_coro()
    inner = getattr(stack, "cr_frame", None)
    while frame is not None:
        if frame is inner:
            return True
        frame = getattr(frame, "f_back", None)
    return False


flights = Flights()


def _in_child() -> None:
    """A process that an async action has forked must not run the others' coroutines a second time.

    It ends when it comes back to the event loop, if it did not end before.
    """
    loop: Any = flights._loop
    if loop is not None:
        loop._ready.clear()
        loop._selector.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
