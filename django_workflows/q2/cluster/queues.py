"""django-q2's queues between the processes of a crew. Nobody waits in them for a lock for ever."""

from __future__ import annotations

import logging
import os
import queue
import select
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.reduction import ForkingPickler
from multiprocessing.sharedctypes import RawValue
from typing import Any

from django_q.queues import Queue, SharedCounter

from .flags import Flag

logger = logging.getLogger("django_workflows")

#: What ends django-q2's worker and monitor, when a queue gives it to them.
STOP = "STOP"
#: Seconds between two looks at whether to stop.
_TICK = 0.25
#: Bytes that a pipe which is ready for writing takes at once, with what frames them.
_SMALL = select.PIPE_BUF - 16


class CrewQueue(Queue):
    """Refuses what cannot be pickled where it is put in, so that nothing vanishes on its way."""

    def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
        ForkingPickler.dumps(item)
        super().put(item, *args, **kwargs)

    def qsize(self) -> int:
        """How many items wait; read past the counter's lock, which a dead process may hold."""
        return int(self.size.count.get_obj().value)

    def empty(self) -> bool:
        return self.qsize() <= 0

    def get_unless(self, stop: Callable[[], bool]) -> Any:
        """The next item, or ``STOP`` once ``stop()`` says so while there is none."""
        while True:
            try:
                return super().get(timeout=_TICK)
            except queue.Empty:
                if stop():
                    return STOP
            except (OSError, EOFError):
                raise
            except Exception:
                # It has been taken out, and its broker will deliver it again.
                logger.exception("A django-q2 task cannot be read by this process, and is left to its broker")
                self.size.increment(-1)


def _takes_more(writer: Any) -> bool:
    poll = select.poll()
    poll.register(writer, select.POLLOUT)
    return bool(poll.poll(0))


class Hold:
    """What a worker has in hand, in shared memory, for the sentinel to see.

    ``busy``: it has a task; ``taken``: how many it has taken so far.
    """

    def __init__(self) -> None:
        self._busy = RawValue("b", 0)
        self._taken = RawValue("L", 0)

    @property
    def busy(self) -> bool:
        return bool(self._busy.value)

    @property
    def taken(self) -> int:
        return int(self._taken.value)

    def take(self) -> None:
        self._busy.value = 1
        self._taken.value += 1

    def release(self) -> None:
        self._busy.value = 0


class TaskQueue(CrewQueue):
    """From the pusher to the workers. In a worker's process ``hold`` and ``stop`` are its own."""

    hold: Hold
    stop: Callable[[], bool]

    def get(self, *args: Any, **kwargs: Any) -> Any:
        self.hold.release()
        if self.stop():
            return STOP
        item = self.get_unless(self.stop)
        if item != STOP:
            self.hold.take()
        return item

    def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
        """Sends what is small itself: to wake multiprocessing's thread for it takes as long as all the rest."""
        if not self._put_at_once(ForkingPickler.dumps(item)):
            super().put(item, *args, **kwargs)

    def _put_at_once(self, message: memoryview) -> bool:
        """Whether that went, without any wait."""
        if len(message) > _SMALL or not self._sem.acquire(False):
            return False
        if not self._wlock.acquire(False):
            self._sem.release()
            return False
        try:
            sent = _takes_more(self._writer)
            if sent:
                self._writer.send_bytes(message)
        finally:
            self._wlock.release()
        if sent:
            self.size.increment(1)
        else:
            self._sem.release()
        return sent

    def leftovers(self) -> list[bytes]:
        """What is left, as it was pickled, once nobody takes from the queue any more; its locks may be the dead's.

        Never waits: what somebody died over in the middle ends it.
        """
        found: list[bytes] = []
        os.set_blocking(self._reader.fileno(), False)
        with suppress(OSError, EOFError):
            while self._reader.poll():
                found.append(self._reader.recv_bytes())
        return found


class ResultQueue(CrewQueue):
    """From the workers to the monitor, which stops when ``closing`` is set and no result is left."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = Flag()

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self.get_unless(self.closing.is_set)

    def inherit(self) -> None:
        """Its only reader has died: let the next one, forked after this, read on past whatever locks that one held."""
        self._rlock = get_context("fork").Lock()
        self.size = SharedCounter(0)

    def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
        try:
            super().put(item, *args, **kwargs)
        except Exception as error:
            if not isinstance(item, dict) or "result" not in item:
                raise
            logger.exception("The result of django-q2 task %s cannot be kept", item.get("name"))
            item["result"], item["success"] = f"The result cannot be pickled: {error!r}"[:2000], False
            super().put(item, *args, **kwargs)
