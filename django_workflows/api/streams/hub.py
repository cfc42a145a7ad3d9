"""Watches the workflows that streams of this process follow: one thread and one connection, however many they are."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import connections

from ...conf import settings
from ...store.glances import Glance, glance
from .ear import Ear
from .reports import Report, read_report

T = TypeVar("T")

logger = logging.getLogger("django_workflows")

#: Seconds between two looks when nothing is heard, and at the least when much is.
_LONGEST, _SHORTEST = 0.25, 0.02
#: Seconds for which the thread stays when nobody follows anything any more.
_LINGER = 2.0
#: Seconds to wait after the database failed.
_FAILED = 1.0
#: Threads that write what streams say.
_WRITERS = 2


class Full(Exception):
    """This process follows as many streams as it may."""


class Follower:
    """One stream's place in the hub: what it has seen, and what there is for it since.

    Reports that a slow client has not taken are merged, so it costs one report however long it takes.
    """

    def __init__(self, workflow_id: UUID, seen: Glance | None, since: datetime) -> None:
        self.workflow_id = workflow_id
        self.seen = seen
        self.since = since
        self._report: Report | None = None
        self._loop = asyncio.get_running_loop()
        self._stirred = asyncio.Event()
        self._lock = threading.Lock()

    def give(self, report: Report) -> None:
        """Called by the hub's thread."""
        with self._lock:
            self._report = report if self._report is None else self._report.merged(report)
        self.seen, self.since = report.glance, report.read_at
        try:
            self._loop.call_soon_threadsafe(self._stirred.set)
        except RuntimeError:
            logger.debug("A stream's event loop has ended before its stream")

    async def take(self, seconds: float) -> Report | None:
        """What there is, waiting for it for ``seconds`` at the most."""
        try:
            await asyncio.wait_for(self._stirred.wait(), seconds)
        except TimeoutError:
            return None
        with self._lock:
            self._stirred.clear()
            found, self._report = self._report, None
        return found


class Hub:
    """Everything that is followed in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followers: list[Follower] = []
        self._thread: threading.Thread | None = None
        self._open = 0
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="django_workflows stream")

    @property
    def open_streams(self) -> int:
        return self._open

    @property
    def is_full(self) -> bool:
        """Whether another stream would be refused at this moment."""
        return self._open >= int(settings.API_MAX_STREAMS)

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a stream for as long as this lasts; ``Full`` if there are too many.

        For the generator that sends it, and nothing before that: one that nobody begins would never give it back.
        """
        with self._lock:
            if self.is_full:
                raise Full
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1

    async def apart(self, write: Callable[[], T]) -> T:
        """What ``write`` returns, called in a thread: what takes long must not hold up the event loop's other work."""
        return await asyncio.get_running_loop().run_in_executor(self._writers, write)

    def follow(self, follower: Follower) -> None:
        """Have reports given to it, until ``leave``."""
        with self._lock:
            self._followers.append(follower)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="django_workflows streams", daemon=True)
                self._thread.start()

    def leave(self, follower: Follower) -> None:
        with self._lock:
            if follower in self._followers:
                self._followers.remove(follower)

    def _run(self) -> None:
        ear, last = Ear(), time.monotonic()
        try:
            while True:
                followers = list(self._followers)
                if followers:
                    last = time.monotonic()
                elif time.monotonic() - last > _LINGER and self._ends():
                    return
                self._look(ear, followers)
        finally:
            connections.close_all()

    def _ends(self) -> bool:
        with self._lock:
            if self._followers:
                return False
            self._thread = None
            return True

    def _look(self, ear: Ear, followers: Sequence[Follower]) -> None:
        began = time.monotonic()
        try:
            self._report(followers)
            took = time.monotonic() - began
            # A busy workflow must not keep the database busy with being looked at.
            time.sleep(max(_SHORTEST, 2 * took))
            ear.wait(_LONGEST)
        except Exception:
            logger.warning("Streams cannot look at the journal; they will again", exc_info=True)
            connections.close_all()
            time.sleep(_FAILED)

    def _report(self, followers: Sequence[Follower]) -> None:
        found = glance(list({follower.workflow_id for follower in followers}))
        reports: dict[Any, Report] = {}
        for follower in followers:
            now = found.get(follower.workflow_id)
            if now is not None and now == follower.seen:
                continue
            key = (follower.workflow_id, follower.since)
            if key not in reports:
                reports[key] = read_report(follower.workflow_id, follower.since)
            follower.give(reports[key])


hub = Hub()
