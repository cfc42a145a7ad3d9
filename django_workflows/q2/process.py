"""What a worker process of django-q2 is to us: a worker with a heartbeat, from its first moment to its last."""

from __future__ import annotations

import logging
import multiprocessing.util
import os
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connections
from django_q.conf import Conf
from django_q.signals import post_execute_in_worker, pre_execute
from django_q.utils import get_func_repr

from ..conf import settings
from ..engine.deployed_code import BlockedWatch
from ..engine.dispatch import queue_name
from ..engine.in_flight import flights
from ..engine.landing import Lander
from ..engine.stall import StallWatch
from ..engine.worker import Heartbeat, Worker
from ..store import workflows
from ..store.database import alias
from ..store.session import drop
from .cluster_log import speak
from .nudge import nudge, watches_journal
from .stopping import sentinel, stopping

logger = logging.getLogger("django_workflows")

#: The task by which django-q2's workers work for us.
DRAIN = "django_workflows.q2.tasks.drain"


def on_spawn(**kwargs: Any) -> None:
    """django-q2 has made a worker process: this one. Must not raise, or it dies, and so does the next."""
    try:
        speak()
        if sentinel() is not None:
            this_worker(queue_name(Conf.CLUSTER_NAME))
    except Exception:
        logger.exception("The heartbeat of a worker could not be started; its first drain tries again")


def this_worker(queue: str) -> Worker:
    """The worker that this process is; its heartbeat is started if there is none."""
    return _worker(os.getpid(), queue)


@lru_cache(maxsize=1)
def _worker(pid: int, queue: str) -> Worker:
    keep_connection()
    worker, stall, watch = Worker(queue, batches=True), StallWatch(queue), BlockedWatch(queue)

    def then() -> None:
        _revive(worker, watch)
        stall.look(worker.id)

    def unheard(since: datetime, error: Exception) -> None:
        stall.look_unheard(worker, since, error)

    heartbeat = Heartbeat(worker, then, unheard)
    heartbeat.start()
    _note_ordinary_tasks(worker)
    flights.open(stopping)
    lander = Lander(worker)
    multiprocessing.util.Finalize(None, _leave, args=(heartbeat, lander), exitpriority=10)
    return worker


def keep_connection() -> None:
    """Keep this process's database connection from task to task: django-q2 would close it each time by default."""
    connections[alias()].settings_dict["CONN_MAX_AGE"] = None


def _note_ordinary_tasks(worker: Worker) -> None:
    """A worker that runs an ordinary task of django-q2's is busy, too."""

    def begins(task: dict[str, Any], **kwargs: Any) -> None:
        worker.aside = "" if get_func_repr(task.get("func")) == DRAIN else f"django-q2 task {task.get('name', '')}"

    def ended(**kwargs: Any) -> None:
        if worker.aside:
            worker.aside = ""
            # Without us, django-q2 would have closed it before the next task.
            drop(connections[alias()])

    pre_execute.connect(begins, weak=False, dispatch_uid="django_workflows.aside")
    post_execute_in_worker.connect(ended, weak=False, dispatch_uid="django_workflows.aside")


def _leave(heartbeat: Heartbeat, lander: Lander) -> None:
    """At the regular end of the process, so that nobody has to find out that it is gone."""
    try:
        lander.close(settings.SHUTDOWN_GRACE)
        heartbeat.stop()
    except Exception:
        logger.debug("Worker %s left without a word", heartbeat.worker.id, exc_info=True)


def _revive(worker: Worker, watch: BlockedWatch) -> None:
    """Where messages alone wake workers: queue one, if work is due while this worker is idle; it may have got lost."""
    if watches_journal() or worker.doing is not None:
        return
    seconds = workflows.next_due(worker.queue)
    if watch.look() or (seconds is not None and seconds <= 0):
        nudge(worker.queue)
