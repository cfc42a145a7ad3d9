"""The tasks that django-q2 runs for us. They carry no work, only word that there is some, and never raise into it."""

from __future__ import annotations

import logging
import time
from typing import Any

from django_q.humanhash import uuid as task_id
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from ..conf import settings
from ..engine import cleanup
from ..engine.drain import drain as drain_journal
from ..engine.outage import outage
from ..engine.recover import recover
from ..store import workflows
from ..store.database import alias
from ..store.prepared import replan
from ..store.session import begin_anew, drop_all
from ..store.transient import is_away
from . import hands
from .drain_failures import drain_failures
from .nudge import SOON, delays_messages, nudge
from .process import DRAIN, keep_connection, this_worker
from .stopping import sentinel, stopping

logger = logging.getLogger("django_workflows")

SWEEP = "django_workflows.q2.tasks.sweep"
DELETION = "django_workflows.q2.tasks.delete_expired"
#: How often a sweep deletes for a moment: a third of a minute, if that much is past its retention.
_DELETIONS = 10


class Package(str):
    """A signed task, as django-q2's brokers carry it, with the ``task`` itself for who gets it in the same process."""

    task: dict[str, Any]


def package(queue: str) -> Package:
    """A signed drain task. Its result is not kept."""
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
    signed = Package(SignedPackage.dumps(task))
    signed.task = task | {"func": drain}  # django-q2 would look for it by its path
    return signed


def drain(queue: str = "") -> None:
    """Do whatever is due in the journal, for ``DRAIN_SECONDS`` at the most."""
    hands.begun()
    try:
        if sentinel() is not None:
            begin_anew(alias())  # whatever else ran in this process
        keep_connection()
        worker = this_worker(queue)
        if not worker.known:
            worker.beat()
        until = time.monotonic() + settings.DRAIN_SECONDS
        done = drain_journal(worker, seconds=settings.DRAIN_SECONDS, stop=stopping)
        hands.ended(done)
        while _wait_for_due(queue, until - time.monotonic()):
            drain_journal(worker, seconds=until - time.monotonic(), stop=stopping)
        _wake_if_due(queue)
        replan()
    except Exception as error:  # noqa: BLE001 - django-q2 could do nothing better with it
        away = is_away(error)
        if away:
            outage.noticed(error)
        drain_failures.note(error, queue, known=away)
        if sentinel() is not None:
            drop_all()
        this_worker(queue).abandon()
        drain_failures.wait(stopping)
    else:
        drain_failures.end()


def sweep() -> None:
    """Every minute: wake workers in case a message was lost, delete what is past its retention."""
    try:
        recover()
    except Exception:
        logger.exception("The sweep failed; the next one tries again")
    else:
        delete_expired(_DELETIONS)


def delete_expired(times: int) -> None:
    """Delete what is past its retention, for a moment.

    If that is not all, ask for a task that goes on, behind whatever waits for a worker meanwhile; so many ``times``.
    """
    try:
        if cleanup.sweep(stopping) and times > 1 and not stopping():
            async_task(DELETION, times - 1, save=False)
    except Exception:
        logger.exception("Deleting what is past its retention failed; the next sweep goes on")


def _wait_for_due(queue: str, seconds: float) -> bool:
    """Wait for what falls due soon, if no message can be sent that comes just then; whether it is due."""
    if delays_messages() or stopping():
        return False
    due = workflows.next_due(queue)
    if due is None or not 0 < due < min(seconds, SOON):
        return False
    time.sleep(due)
    return True


def _wake_if_due(queue: str) -> None:
    seconds = workflows.next_due(queue)
    if seconds is not None and seconds <= 0:
        nudge(queue)
