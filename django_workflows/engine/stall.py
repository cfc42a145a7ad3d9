"""Says aloud, in the log, what is wrong with a queue and a host. Cannot be wedged by what it looks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from ..core.health import WorkerHealth, of_clock, of_queue, unheard
from ..store import health as store
from ..store.database import local_now, now
from .aloud import Aloud
from .health import check_queue, skew
from .worker import Worker


class StallWatch:
    """Looks at a queue with each heartbeat of a worker; of all its workers, one speaks, and one of each host."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._queue_aloud, self._host_aloud = Aloud(), Aloud()

    def look(self, worker: str) -> None:
        began = local_now()
        at = now()
        ahead = skew(began, at)
        ours = [each for each in store.workers(at) if each.queue == self._queue]
        if worker == _speaker(ours, worker):
            self._queue_aloud.tell(of_queue(check_queue(self._queue)))
        if worker == _speaker(_of_host(ours, worker), worker):
            self._host_aloud.tell(of_clock(ahead))

    def look_unheard(self, worker: Worker, since: datetime, error: Exception) -> None:
        """As ``look``, of a worker that cannot write to the database: nobody hears of it, though it lives."""
        queue = check_queue(self._queue)
        if queue.stalled:
            name = f"worker {worker.pid} on {worker.host}"
            self._queue_aloud.tell([unheard(queue, name, local_now() - since, " ".join(str(error).split()))])


def _speaker(workers: Iterable[WorkerHealth], otherwise: str) -> str:
    return min((each.id for each in workers), default=otherwise)


def _of_host(workers: Iterable[WorkerHealth], worker: str) -> Iterator[WorkerHealth]:
    workers = list(workers)
    hosts = {each.host for each in workers if each.id == worker}
    return (each for each in workers if each.host in hosts)
