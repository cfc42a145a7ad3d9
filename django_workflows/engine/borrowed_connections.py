"""The database connections of actions in flight: few threads for all of them, and nothing that one leaves for the next.

An async function uses the ORM in another thread, since Django's connections are those of a thread. Each call of its is
given to one of a few; a thread whose session a function has changed is that function's alone from then on, and is
closed with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.db import connections

from ..store.database import alias
from ..store.session import drop_all, guard, is_changed, owning, watch_from_the_start

#: How many threads, each with a connection, all functions share.
_SHARED = 4


class _Thread:
    """A thread with its connections. ``load``: how many calls it has to do."""

    def __init__(self) -> None:
        name = "django_workflows connection"
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=watch_from_the_start)
        self.load = 0
        self.used = False
        #: Whether it is one attempt's alone.
        self.taken = False

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        self.load += 1
        self.used = True
        future = self._executor.submit(call)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: Future[Any]) -> None:
        self.load -= 1

    def close_connections(self) -> None:
        if self.used and not self.load:
            self.used = False
            self._executor.submit(connections.close_all)

    def end(self) -> None:
        self._executor.submit(drop_all)
        self._executor.shutdown(wait=False)


class _Lent(Executor):
    """Where asgiref sends the calls of one attempt; an executor by its interface only, without a thread of its own."""

    def __init__(self, threads: ConnectionThreads) -> None:
        self._threads = threads
        self.own: _Thread | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        thread = self.own or self._threads.freest()
        return thread.submit(partial(self._run, thread, partial(fn, *args, **kwargs)))

    def _run(self, thread: _Thread, call: Callable[[], Any]) -> Any:
        if thread is self.own:
            return call()
        if thread.taken:  # it was not when this call was given to it
            other = self._threads.freest()
            return other.submit(partial(self._run, other, call)).result()
        with owning(alias()):
            try:
                with guard(alias(), bound=False, keeps_session=True):
                    return call()
            finally:
                if is_changed():
                    # Its session is this function's alone from now on: others get another thread.
                    self._threads.replace(thread)
                    self.own = thread

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing: the threads are not this attempt's."""


class ConnectionThreads:
    """The threads of a process."""

    def __init__(self) -> None:
        self._shared: list[_Thread] = []
        self._lock = threading.Lock()

    def lend(self, context: ThreadSensitiveContext) -> _Lent:
        """Let what runs in ``context`` have its ORM calls done here."""
        lent = _Lent(self)
        SyncToAsync.context_to_thread_executor[context] = lent
        return lent

    def give_back(self, context: ThreadSensitiveContext, lent: _Lent) -> None:
        SyncToAsync.context_to_thread_executor.pop(context, None)
        own, lent.own = lent.own, None
        if own is not None:
            own.end()

    def freest(self) -> _Thread:
        with self._lock:
            found = min(self._shared, key=lambda each: each.load, default=None)
            if found is None or (found.load and len(self._shared) < _SHARED):
                found = _Thread()
                self._shared.append(found)
            return found

    def replace(self, thread: _Thread) -> None:
        with self._lock:
            thread.taken = True
            if thread in self._shared:
                self._shared.remove(thread)

    def close_idle(self) -> None:
        with self._lock:
            for thread in self._shared:
                thread.close_connections()
