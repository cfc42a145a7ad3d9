"""Tells a cluster that there is work: by the journal's channel, or, with any other broker, by a task."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import lru_cache, partial

from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.brokers import get_broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.exceptions import TimeoutException

from ..store.after_commit import after_commit
from ..store.database import is_postgresql
from ..store.listening import WORK
from .channel import Channel

logger = logging.getLogger("django_workflows")

#: Work that is due later than this is found by the cluster's own look, once a second.
SOON = 1.0


@lru_cache
def watches_journal() -> bool:
    """Whether the configured broker is the ``JournalBroker``, or made from it."""
    if not Conf.BROKER_CLASS:
        return False
    from .broker import JournalBroker

    found = import_string(Conf.BROKER_CLASS)
    return isinstance(found, type) and issubclass(found, JournalBroker)


@lru_cache
def delays_messages() -> bool:
    """Whether work that falls due in a moment wakes a worker then, and not before."""
    return watches_journal() or isinstance(get_broker(), ORM)


class Q2Dispatcher:
    """The engine's way to wake django-q2's workers."""

    interrupts: tuple[type[BaseException], ...] = (TimeoutException,)

    @property
    def default_queue(self) -> str:
        return str(Conf.PREFIX)

    @property
    def channel(self) -> str:
        return WORK if watches_journal() and is_postgresql() else ""

    def wake(self, queue: str, seconds: float, count: int) -> None:
        if watches_journal():
            if seconds <= SOON:
                Channel.announce(queue, due=seconds <= 0, several=count > 1)
        else:
            wanted = min(count, int(Conf.WORKERS))
            after_commit(partial(nudge, queue, seconds, wanted))


def nudge(queue: str, seconds: float = 0.0, count: int = 1) -> None:
    """Wake workers from outside of a transaction: by word of the journal's channel, or by drains as django-q2 tasks.

    Never raises. What is lost is made up for: by the journal's watcher, by idle workers' heartbeats, by the sweep.
    """
    from .tasks import package

    try:
        if watches_journal():
            Channel.announce(queue, due=seconds <= 0)
            return
        broker = get_broker(queue or None)
        for _ in range(count):
            if seconds > 0 and isinstance(broker, ORM):
                _enqueue_later(broker.list_key, package(queue), seconds)
            elif seconds <= SOON:
                broker.enqueue(package(queue))  # the drain waits for it
    except Exception:
        message = "No worker could be woken for queue %r; the sweep will"
        logger.warning(message, queue, exc_info=True, extra={"queue": queue})


def _enqueue_later(key: str, payload: str, seconds: float) -> None:
    """A row of the ORM broker that is locked until it is due is a delayed task."""
    from django_q.models import OrmQ

    OrmQ.objects.using(Conf.ORM).create(
        key=key, payload=payload, lock=timezone.now() + timedelta(seconds=min(seconds, 10**8))
    )
