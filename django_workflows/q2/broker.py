"""A django-q2 broker that also watches the journal, and hands workers a drain the moment there is work."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ

from ..engine.deployed_code import BlockedWatch
from ..engine.dispatch import queue_name
from ..engine.outage import outage
from ..engine.repeated_failure import RepeatedFailure
from ..store import workflows
from ..store.database import alias
from ..store.prepared import replan
from ..store.transient import is_away
from . import hands
from .channel import Channel, Heard
from .process import keep_connection
from .stopping import stopping
from .tasks import Package, package

logger = logging.getLogger("django_workflows")

#: Seconds between two looks when nothing says that there is work.
_IDLE = 1.0
#: Seconds between two looks at django-q2's own queue, which nothing announces when a task's lock runs out.
_ORDINARY = 0.5
#: Seconds that the worker of a drain which was handed out at once is left alone, before a look at what else is due.
_REST = 0.005
#: Seconds between two looks while the database cannot be reached, at first and at the most.
_AWAY, _LONG_AWAY = 0.5, 2.0
#: Seconds after which django-q2's pusher may ask again, while it is about to be ended.
_STOPPING = 0.02


class JournalBroker(ORM):
    """django-q2's ORM broker, and the journal beside it.

    ``Q_CLUSTER = {"orm": "default", "broker_class": "django_workflows.q2.JournalBroker"}``. Ordinary django-q2 tasks
    work as with the ORM broker, and begin sooner. On PostgreSQL it sleeps until it is notified, and then hands out a
    drain without a look at what is due, or until something falls due; on SQLite it watches the database's change
    counter.
    """

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self._channel: Channel | None = None
        self._hands = hands.Hands()
        #: A signed drain, made before it is wanted.
        self._package: Package | None = None
        self._ordinary_at = 0.0
        self._rest_until = 0.0
        self._pause = _AWAY
        self._failure = RepeatedFailure()
        self._blocked = BlockedWatch(self.queue)

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        """As django-q2's, but that it does not connect: a cluster starts, too, while its database is away."""
        connection = connections[Conf.ORM]
        if connection.connection is None or connection.get_autocommit():
            close_old_connections()
        return OrmQ.objects.using(Conf.ORM)

    @property
    def queue(self) -> str:
        """The name of this cluster's queue, as rows have it."""
        return queue_name(self.list_key or Conf.CLUSTER_NAME)

    def info(self) -> str:
        return f"django_workflows journal on {alias()}, ORM {Conf.ORM}"

    def enqueue(self, task: Any) -> Any:
        package_id = super().enqueue(task)
        Channel.announce(self.queue, due=False)
        return package_id

    def dequeue(self) -> list[tuple[Any, str]] | None:
        """Tasks for the workers, if there are any; otherwise waits a while, and returns nothing.

        Nothing is handed out any more once the cluster is stopping.
        """
        if stopping():
            time.sleep(_STOPPING)
            return None
        try:
            tasks = self._dequeue()
        except (DatabaseError, InterfaceError) as error:
            # django-q2 would let its pusher sleep for ten seconds and die.
            if is_away(error):
                outage.noticed(error)
            else:
                self._failure.tell(logging.WARNING, error, "The broker asks the database again", extra={})
            self._channel = None
            connections.close_all()
            time.sleep(self._pause)
            self._pause = min(_LONG_AWAY, 2 * self._pause)
            return None
        self._pause = _AWAY
        outage.over()
        return tasks

    def _dequeue(self) -> list[tuple[Any, str]] | None:
        if self._channel is None:
            keep_connection()
            self._channel = Channel(self.queue)
        tasks = self._ordinary_tasks()
        if tasks:
            return tasks
        if self._blocked.look():
            return self._drain()
        # While a drain waits for a worker, it is no use to ask what is due.
        if not self._hands.wait(_ORDINARY):
            return None
        heard = self._listen(self._channel, self._rest_until - time.monotonic())
        if not heard:
            seconds = workflows.next_due(self.queue)
            if seconds is not None and seconds <= 0:
                return self._drain()
            heard = self._listen(self._channel, _IDLE if seconds is None else min(seconds, _IDLE))
        return self._drain() if self._calls_for_a_drain(heard) else None

    def _calls_for_a_drain(self, heard: Heard) -> bool:
        at_once = Heard.WORK in heard and self._hands.trust() and not stopping()
        if Heard.NEWS in heard:
            self._ordinary_at = self._rest_until = 0.0
        elif at_once:
            self._rest_until = time.monotonic() + _REST
        return at_once

    def _listen(self, channel: Channel, seconds: float) -> Heard:
        if seconds <= 0:
            return Heard.NOTHING
        # What would keep a workflow waiting is done before.
        replan()
        self._package = self._package or package(self.queue)
        return channel.wait(seconds)

    def _drain(self) -> list[tuple[Any, str]]:
        self._hands.hand_out()
        payload, self._package = self._package or package(self.queue), None
        return [(None, payload)]

    def _ordinary_tasks(self) -> list[tuple[Any, str]]:
        """Tasks of django-q2's own queue; looked for when something changed, and now and then."""
        if time.monotonic() - self._ordinary_at < _ORDINARY:
            return []
        waiting = self.get_connection().filter(key=self.list_key, lock__lt=timezone.now())
        if waiting.exists():
            return super().dequeue() or []
        self._ordinary_at = time.monotonic()
        return []
