"""The tasks that django-q2 runs for us. They carry no work, only word that there is some, and never raise into it."""

from __future__ import annotations

import logging
import os
from typing import Any

from django.db import connections
from django_q.humanhash import uuid as task_id
from django_q.signing import SignedPackage

from ..conf import settings
from ..engine import cleanup
from ..engine.drain import drain as drain_journal
from ..engine.worker import Heartbeat, Worker
from ..store import workers, workflows
from ..store.database import alias
from . import hands
from .nudge import nudge

logger = logging.getLogger("django_workflows")

DRAIN = "django_workflows.q2.tasks.drain"
SWEEP = "django_workflows.q2.tasks.sweep"

_worker: Worker | None = None


def package(queue: str) -> str:
    """A signed drain task, as django-q2's brokers carry it. Its result is not kept."""
    name, identity = task_id()
    task: dict[str, Any] = {
        "id": identity,
        "name": name,
        "func": DRAIN,
        "args": (queue,),
        "kwargs": {},
        "save": False,
        "started": None,
    }
    return SignedPackage.dumps(task)


def drain(queue: str = "") -> None:
    """Do whatever is due in the journal, for ``DRAIN_SECONDS`` at the most."""
    hands.begun()
    try:
        keep_connection()
        worker = _this_worker(queue)
        drain_journal(worker, seconds=settings.DRAIN_SECONDS, stop=_orphaned)
        seconds = workflows.next_due(queue)
        if seconds is not None and seconds <= 0:
            nudge(queue)
    except Exception:
        # What was begun comes back when its lease ends; django-q2 could do nothing better with the error.
        logger.exception("A drain of queue %r ended early", queue)


def sweep() -> None:
    """Every minute: wake a worker in case a message was lost, delete what is past its retention."""
    try:
        cleanup.cleanup_expired()
        workers.remove_silent()
        seconds = workflows.next_due("")
        if seconds is not None and seconds <= 0:
            nudge("")
    except Exception:
        logger.exception("The sweep failed; the next one tries again")


def keep_connection() -> None:
    """Keep this process's database connection from task to task: django-q2 would close it each time by default."""
    connections[alias()].settings_dict["CONN_MAX_AGE"] = None


def _this_worker(queue: str) -> Worker:
    global _worker
    if _worker is None or _worker.pid != os.getpid() or _worker.queue != queue:
        _worker = Worker(queue)
        Heartbeat(_worker).start()
    return _worker


def _orphaned() -> bool:
    """Whether the cluster's sentinel died: its workers live on, and should take on nothing new."""
    return _worker is not None and os.getppid() != _worker.parent
