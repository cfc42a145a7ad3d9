"""One crew: the workers, the pusher and the monitor that share a pair of queues, and end together."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Value, get_context
from multiprocessing.process import BaseProcess
from typing import Any

from django_q.conf import Conf

from .flags import Flag
from .member import SIGNALS, run_carrier, run_monitor, run_pusher, run_worker
from .pushing import Pulse
from .queues import Hold, ResultQueue, TaskQueue

_fork = get_context("fork")
#: Seconds that a process gets to end by itself.
GRACE = 6.0


@dataclass(eq=False)
class Hand:
    """A worker, as the sentinel sees it."""

    process: BaseProcess
    hold: Hold
    timer: Any
    _since: float | None = None

    @property
    def expired(self) -> bool:
        """Whether the task in hand has used up its time: by its own alarm, or by the sentinel's count."""
        return bool(self.timer.get_obj().value == 0)

    def count_down(self, seconds: float) -> None:
        """Take time off the allowance of the task in hand, unless the worker is just changing it."""
        lock = self.timer.get_lock()
        if not lock.acquire(timeout=0.05):
            return  # its worker may have died with it
        try:
            value = self.timer.get_obj()
            if value.value > 0:
                value.value = max(0.0, value.value - seconds)
        finally:
            lock.release()

    def overdue(self, *, told: bool) -> bool:
        """Whether it should have ended ``GRACE`` seconds ago: its time was over, or it was told to and is idle."""
        if not (self.expired or (told and not self.hold.busy)):
            self._since = None
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since > GRACE


@dataclass(eq=False)
class Crew:
    """Two queues and the processes that share them. ``timeout`` is that of a task, in seconds."""

    broker: Any
    timeout: int | None

    def __post_init__(self) -> None:
        self.task_queue = TaskQueue(maxsize=Conf.QUEUE_LIMIT or 0)
        self.result_queue = ResultQueue()
        #: Set: its pusher ends at once, its workers after what they have in hand.
        self.retired = Flag()
        self.pulse = Pulse()
        self.hands: list[Hand] = []
        self.pusher: BaseProcess | None = None
        self.monitor: BaseProcess | None = None
        #: They bring what another crew has left over.
        self.carriers: list[BaseProcess] = []
        self._emptied = False
        self._retired_at = self._closed_at = 0.0

    def start(self, size: int) -> None:
        for _ in range(size):
            self.add_worker()
        self.start_monitor()
        self.start_pusher()

    def add_worker(self) -> None:
        hold, timer = Hold(), Value("f", -1)
        self.hands.append(Hand(spawn(run_worker, self, hold, timer, daemon=Conf.DAEMONIZE_WORKERS), hold, timer))

    def start_monitor(self) -> None:
        self.monitor = spawn(run_monitor, self)

    def start_pusher(self) -> None:
        self.pulse.beat()
        self.pusher = spawn(run_pusher, self)

    def processes(self) -> list[BaseProcess]:
        found = [hand.process for hand in self.hands]
        return found + self.carriers + [process for process in (self.pusher, self.monitor) if process is not None]

    def carry(self, tasks: list[bytes]) -> None:
        """Take over tasks from another crew."""
        if tasks:
            self.carriers.append(spawn(run_carrier, self, tasks))

    def taken(self) -> int:
        """How many tasks its workers have taken."""
        return sum(hand.hold.taken for hand in self.hands)

    def retire(self) -> None:
        """Let it end. Tasks that none of its workers has begun are its ``leftovers``."""
        self.retired.set()
        self._retired_at = time.monotonic()
        if self.monitor is not None and not self.monitor.is_alive():  # only it read them
            self.result_queue.inherit()
            self.start_monitor()

    def end(self, seconds: float) -> bool:
        """Help a retired crew to its end, a look at a time, ``seconds`` after the last; True once no process is left.

        Who should have gone and has not is frozen, or waits for a lock of the dead, and is killed.
        """
        self.hands = [hand for hand in self.hands if hand.process.is_alive()]
        for hand in self.hands:
            hand.count_down(seconds)
            if hand.overdue(told=True):
                kill(hand.process)
        for process in [self.pusher, *self.carriers]:
            _end_by(process, self._retired_at + GRACE)
        if not self.hands:
            self._closed_at = self._closed_at or time.monotonic()
            self.result_queue.closing.set()
            _end_by(self.monitor, self._closed_at + GRACE)
        return not any(process.is_alive() for process in self.processes())

    def leftovers(self) -> list[bytes]:
        """The tasks that a retired crew will not begin, as soon as nobody there puts or takes any; given once."""
        quiet = all(hand.hold.busy for hand in self.hands) and not _lives(self.pusher)
        if self._emptied or not quiet:
            return []
        self._emptied = True
        return self.task_queue.leftovers()

    def kill(self) -> None:
        for process in self.processes():
            kill(process)


def _end_by(process: BaseProcess | None, at: float) -> None:
    if time.monotonic() > at:
        kill(process)


def spawn(target: Callable[..., None], *arguments: Any, daemon: bool = True) -> BaseProcess:
    """Fork a process that is told who its parent is. It gets no signal before it says what signals mean to it."""
    process = _fork.Process(target=target, args=(*arguments, os.getpid()), daemon=daemon)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return process


def kill(process: BaseProcess | None, *, wait: float | None = None) -> None:
    """``kill -9``, and wait for the end so many seconds, if told to. Nothing happens where there is nobody."""
    if process is not None and process.is_alive():
        process.kill()
        if wait is not None:
            process.join(wait)


def _lives(process: BaseProcess | None) -> bool:
    return process is not None and process.is_alive()
