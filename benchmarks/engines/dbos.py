"""DBOS: workflows in two processes that take them from one queue, which they look at every 10 ms."""

from __future__ import annotations

import multiprocessing
import time

from dbos import DBOS, DBOSClient

from benchmarks.engines.engine import until

QUEUE = "bench"


@DBOS.step()
def nothing(number: int) -> int:
    return number


@DBOS.workflow(name="actions")
def actions(count: int) -> int:
    total = 0
    for number in range(count):
        total += nothing(number)
    return total


def _launch(url: str, executor: str) -> None:
    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "executor_id": executor,
            "application_version": "1",
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=0.01)


def _work(url: str, executor: str) -> None:
    _launch(url, executor)
    while True:
        time.sleep(1)


class DBOSEngine:
    """Two worker processes. Of its two databases, SQLite for ``url`` is worked on by one process."""

    name = "dbos"

    def __init__(self, url: str) -> None:
        count = 1 if url.startswith("sqlite") else 2
        spawn = multiprocessing.get_context("spawn")
        self._workers = [spawn.Process(target=_work, args=(url, f"w{n}"), daemon=True) for n in range(count)]
        self._workers[0].start()
        time.sleep(4)  # it makes the tables
        for worker in self._workers[1:]:
            worker.start()
        time.sleep(3 if count > 1 else 0)
        self._client = DBOSClient(system_database_url=url)
        self.sequential(4, 1)

    def close(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join()
        self._client.destroy()

    def sequential(self, workflows: int, steps: int) -> float:
        began = time.perf_counter()
        handles = [self._enqueue(steps) for _ in range(workflows)]
        ids = [handle.workflow_id for handle in handles]
        until(lambda: not self._client.list_workflows(workflow_ids=ids, status=["ENQUEUED", "PENDING"]), pause=0.02)
        return time.perf_counter() - began

    def latency(self) -> float:
        began = time.perf_counter()
        self._enqueue(1).get_result(polling_interval_sec=0.001)
        return time.perf_counter() - began

    def starts(self, count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            self._enqueue(1)
        return time.perf_counter() - began

    def _enqueue(self, steps: int):  # type: ignore[no-untyped-def]
        return self._client.enqueue({"queue_name": QUEUE, "workflow_name": "actions"}, steps)
