"""What the processes of a crew are: the worker, the pusher and the monitor, from their first moment to their last."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

from django import db
from django_q.monitor import monitor
from django_q.worker import worker

from ...engine.outage import outage
from ...store.transient import is_away
from ..stopping import leave_when
from .parents import end_with_parent
from .pushing import push, put
from .queues import Hold

if TYPE_CHECKING:
    from .crew import Crew

logger = logging.getLogger("django_workflows")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: Seconds that what is on its way through a queue gets when its sender ends.
_FLUSH = 2.0
_PAUSE = 0.25


def begin(parent: int, on_signal: Callable[[], None] = lambda: None) -> None:
    """The first act of a forked process: what ends it, and what does not.

    A signal to the whole group is for the main process; the others end when they are told to, or with their parent.
    A function takes signals, rather than ignoring them, so that programs which a step starts get them as usual.
    """
    for number in SIGNALS:
        signal.signal(number, lambda *_: on_signal())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    end_with_parent(parent)


def run_worker(crew: Crew, hold: Hold, timer: Any, parent: int) -> None:
    """A worker, until its crew is retired. A SIGTERM ends it after the task that it has in hand."""
    asked = threading.Event()
    begin(parent, asked.set)

    def told() -> bool:
        return crew.retired.is_set() or asked.is_set()

    leave_when(told)
    # What the project has loaded is here to stay. To look through it for garbage takes 50 ms and more each time, in the
    # midst of somebody's work, and copies every page of it that processes share.
    gc.freeze()
    crew.task_queue.hold, crew.task_queue.stop = hold, told
    try:
        worker(crew.task_queue, crew.result_queue, timer, crew.timeout)
    finally:
        hold.release()
        _flush(crew.result_queue)


def run_pusher(crew: Crew, parent: int) -> None:
    begin(parent)
    leave_when(crew.retired.is_set)
    push(crew.task_queue, crew.retired, crew.pulse, crew.broker)
    _flush(crew.task_queue)


def run_carrier(crew: Crew, tasks: list[bytes], parent: int) -> None:
    """Hands the crew what another one has left over."""
    begin(parent)
    for task in tasks:
        put(crew.task_queue, ForkingPickler.loads(task), crew.retired)
    _flush(crew.task_queue)


def run_monitor(crew: Crew, parent: int) -> None:
    """django-q2's monitor, which does not end when a result cannot be saved: its broker delivers the task again."""
    begin(parent)
    while True:
        try:
            monitor(crew.result_queue, crew.broker)
        except Exception as error:
            if is_away(error):
                outage.noticed(error)
                db.connections.close_all()
            else:
                logger.exception("The outcome of a django-q2 task could not be saved or acknowledged")
            time.sleep(_PAUSE)
        else:
            return


def _flush(queue: Any) -> None:
    """Let what was put into a queue go out, unless a dead process has its lock."""
    queue.close()
    thread = threading.Thread(target=queue.join_thread, daemon=True)
    thread.start()
    thread.join(_FLUSH)
    queue.cancel_join_thread()
