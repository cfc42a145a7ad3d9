"""DBOS: workflows in the process that starts them, or in processes that take them from a queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import sqlalchemy
from dbos import DBOS, DBOSClient

from .engine import PROCESSES, CannotDo, Engine, timed, until
from .processes import WorkerProcess, serve

#: Nobody works on the second.
QUEUE, NOBODY = "bench", "nobody"


@DBOS.step()
def nothing(number: int) -> int:
    return number


@DBOS.step()
async def nothing_async(number: int) -> int:
    return number


@DBOS.workflow(name="actions")
def actions(count: int) -> int:
    total = 0
    for number in range(count):
        total += nothing(number)
    return total


@DBOS.workflow(name="naps")
def naps(count: int, every: int, seconds: float) -> int:
    total = 0
    for number in range(count):
        if number and number % every == 0:
            DBOS.sleep(seconds)
        total += nothing(number)
    return total


@DBOS.workflow(name="fan_out")
async def fan_out(count: int) -> int:
    return sum(await asyncio.gather(*(nothing_async(number) for number in range(count))))


@DBOS.step()
async def wait(number: int, seconds: float) -> int:
    await asyncio.sleep(seconds)
    return number


@DBOS.workflow(name="waits")
async def waits(count: int, seconds: float) -> int:
    total = 0
    for number in range(count):
        total += await wait(number, seconds)
    return total


async def _all(workflows: int, steps: int, seconds: float) -> None:
    await asyncio.gather(*(waits(steps, seconds) for _ in range(workflows)))


@DBOS.workflow(name="families")
def families(count: int) -> int:
    handles = [DBOS.start_workflow(actions, 1) for _ in range(count)]
    return sum(handle.get_result() for handle in handles)


def _record(count: int) -> str:
    run = DBOS.start_workflow(actions, count)
    run.get_result()
    return run.workflow_id


def _replay(workflow_id: str, count: int) -> float:
    """A fork behind the last step goes through all that was recorded; by the times that its row has."""
    fork = DBOS.fork_workflow(workflow_id, count + 1)
    fork.get_result(polling_interval_sec=0.05)
    status = fork.get_status()
    assert status.dequeued_at is not None
    assert status.completed_at is not None
    return (status.completed_at - status.dequeued_at) / 1000


def _use_wal(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _work(
    pipe: Connection, url: str, executor: str, threads: int, poll: float | None, concurrency: int | None, wal: bool
) -> None:
    if wal:
        sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _use_wal)
    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "executor_id": executor,
            "application_version": "1",
            "log_level": "ERROR",
        }
    )
    DBOS.listen_queues([QUEUE] if poll else [])
    DBOS.launch()
    if poll:
        DBOS.register_queue(QUEUE, polling_interval_sec=poll, worker_concurrency=concurrency)
    DBOS.register_queue(NOBODY)
    with ThreadPoolExecutor(threads) as pool:
        serve(
            pipe,
            {
                "sequential": lambda workflows, steps: timed(lambda: list(pool.map(actions, [steps] * workflows))),
                "waits": lambda *asked: timed(lambda: asyncio.run(_all(*asked))),
                "latency": lambda: timed(lambda: actions(1)),
                "long": actions,
                "naps": naps,
                "record": _record,
                "replay": _replay,
                "parallel": lambda count: timed(lambda: asyncio.run(fan_out(count))),
                "children": lambda count: timed(lambda: families(count)),
            },
        )


class DBOSEngine(Engine):
    """Two worker processes, or one where SQLite is its database.

    With ``poll`` workflows go through a queue that is looked at every so many seconds, each process working on at most
    ``concurrency`` of them; without it they run in the worker processes by themselves, in so many ``threads`` each.
    ``wal``: SQLite's file is as this package's is, which DBOS itself leaves as it comes.
    """

    def __init__(
        self,
        url: str,
        *,
        poll: float | None = None,
        threads: int = 4,
        concurrency: int | None = None,
        wal: bool = False,
    ) -> None:
        count = 1 if url.startswith("sqlite") else PROCESSES
        self._poll = poll
        self._workers = []
        for number in range(count):  # the first one makes the tables
            self._workers.append(WorkerProcess(_work, url, f"w{number}", threads, poll, concurrency, wal))
            self._workers[-1].ready()
        self._client = DBOSClient(system_database_url=url)
        self._engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
        self._schema = "" if url.startswith("sqlite") else "dbos."
        if poll:
            time.sleep(2.5)  # a queue is noticed by the others within that time
        self.sequential(4, 1)

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._client.destroy()
        self._engine.dispose()

    def clear(self) -> None:
        with self._engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"DELETE FROM {self._schema}workflow_status"))

    def sequential(self, workflows: int, steps: int, kind: str = "actions") -> float:
        if self._poll:
            return timed(lambda: self._by_queue(workflows, steps))
        share = workflows // len(self._workers)
        return timed(lambda: self._everywhere("sequential", share, steps))

    def waits(self, workflows: int, steps: int, seconds: float) -> float:
        """In the worker processes by themselves, all at once on an event loop in each."""
        if self._poll:
            raise CannotDo
        share = workflows // len(self._workers)
        return timed(lambda: self._everywhere("waits", share, steps, seconds))

    def latency(self) -> float:
        if not self._poll:
            return float(self._ask("latency"))
        return timed(lambda: self._enqueue(QUEUE, 1).get_result(polling_interval_sec=0.001))

    def long(self, steps: int) -> list[float]:
        self._ask("long", steps)
        return self._ends("actions")

    def naps(self, steps: int, every: int, seconds: float) -> list[float]:
        self._ask("naps", steps, every, seconds)
        return self._ends("naps")

    def replay(self, steps: int) -> Callable[[], float]:
        recorded = self._ask("record", steps)
        return lambda: float(self._ask("replay", recorded, steps))

    def parallel(self, count: int) -> float:
        return float(self._ask("parallel", count))

    def children(self, count: int) -> float:
        return float(self._ask("children", count))

    def starts(self, count: int) -> float:
        return timed(lambda: [self._enqueue(NOBODY, 1) for _ in range(count)])

    # -- inside

    def _ask(self, *order: Any) -> Any:
        self._workers[0].tell(*order)
        return self._workers[0].answer()

    def _everywhere(self, *order: Any) -> None:
        for worker in self._workers:
            worker.tell(*order)
        for worker in self._workers:
            worker.answer()

    def _by_queue(self, workflows: int, steps: int) -> None:
        for _ in range(workflows):
            self._enqueue(QUEUE, steps)
        unfinished = sqlalchemy.text(
            f"SELECT count(*) FROM {self._schema}workflow_status "
            f"WHERE queue_name = '{QUEUE}' AND status IN ('ENQUEUED', 'PENDING')"
        )
        with self._engine.connect() as connection:
            until(lambda: connection.execute(unfinished).scalar_one() == 0)

    def _enqueue(self, queue: str, steps: int) -> Any:
        return self._client.enqueue({"queue_name": queue, "workflow_name": "actions"}, steps)

    def _ends(self, workflow: str) -> list[float]:
        last = (
            f"SELECT completed_at_epoch_ms FROM {self._schema}operation_outputs WHERE workflow_uuid = "
            f"(SELECT workflow_uuid FROM {self._schema}workflow_status WHERE name = '{workflow}' "
            "ORDER BY created_at DESC LIMIT 1) AND function_name NOT LIKE 'DBOS.%' ORDER BY function_id"
        )
        with self._engine.connect() as connection:
            return [row[0] / 1000 for row in connection.execute(sqlalchemy.text(last))]
