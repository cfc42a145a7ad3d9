"""Takes tasks from the broker and hands them to the workers; one that cannot be read holds up no other."""

from __future__ import annotations

import logging
import os
import queue
import time
from multiprocessing import current_process
from multiprocessing.sharedctypes import RawValue
from typing import Any

from django_q.conf import Conf
from django_q.signing import BadSignature, SignedPackage

from ...engine.outage import outage
from ...store.transient import is_away
from ..tasks import Package
from .flags import Flag

logger = logging.getLogger("django_workflows")

#: Seconds to the next try when the broker has failed.
_PAUSE = 0.5
#: Seconds between two looks at whether to stop, while the queue is full.
_TICK = 0.1


class Pulse:
    """In shared memory: when the pusher last asked its broker, for the sentinel to see."""

    def __init__(self) -> None:
        self._at = RawValue("d", time.monotonic())

    def beat(self) -> None:
        self._at.value = time.monotonic()

    def waits(self) -> None:
        """It waits for room in the queue, however long that takes."""
        self._at.value = float("inf")

    def silent_for(self) -> float:
        return time.monotonic() - float(self._at.value)


def push(task_queue: Any, stop: Flag, pulse: Pulse, broker: Any) -> None:
    """Until ``stop`` is set. Does as django-q2's pusher does, and never ends because of a task or of the broker."""
    logging.getLogger("django-q").info("%s pushing tasks at %s", current_process().name, os.getpid())
    while not stop.is_set():
        pulse.beat()
        try:
            tasks = broker.dequeue()
        except Exception as error:
            if is_away(error):
                outage.noticed(error)
            else:
                logger.exception("The broker gave no tasks; it is asked again")
            time.sleep(_PAUSE)
            continue
        for ack_id, payload in tasks or ():
            task = _unpacked(broker, ack_id, payload)
            if task is not None:
                pulse.waits()
                put(task_queue, task, stop)


def put(task_queue: Any, task: dict[str, Any], stop: Flag) -> None:
    """Hand a task to the workers, as soon as there is room.

    It was taken from its broker, which gives it again only after ``retry`` seconds. So it is put also when ``stop`` was
    set meanwhile, and is then among what the next crew gets. Only one that cannot be sent, or still finds no room when
    ``stop`` is set, is left to its broker.
    """
    while True:
        try:
            task_queue.put(task, timeout=_TICK)
        except queue.Full:
            if not stop.is_set():
                continue
        except Exception:
            logger.exception("django-q2 task %s cannot be handed to a worker", task.get("name"))
        return


def _unpacked(broker: Any, ack_id: Any, payload: Any) -> dict[str, Any] | None:
    """A task ready for a worker; ``None`` for one that cannot be read here, perhaps yet by newer code.

    That one stays with its broker, which delivers it again. Only what bears a wrong signature is deleted, as django-q2
    does: it was changed, or signed with another SECRET_KEY.
    """
    try:
        task: dict[str, Any] = payload.task if isinstance(payload, Package) else SignedPackage.loads(payload)
        task["cluster"], task["ack_id"] = Conf.CLUSTER_NAME, ack_id
    except BadSignature:
        logger.error("A django-q2 task bears a wrong signature, and is deleted: was SECRET_KEY changed?")
        _fail(broker, ack_id)
    except Exception:
        logger.exception("A django-q2 task cannot be read, and is left to its broker")
    else:
        return task
    return None


def _fail(broker: Any, ack_id: Any) -> None:
    try:
        broker.fail(ack_id)
    except Exception:
        logger.exception("The task could not be deleted")
