"""Absurd: tasks with checkpoints, kept by functions inside PostgreSQL. Workers look every 10 ms and claim ten at once.

Its schema is not in the SDK but in the package ``absurdctl``, whose text is read and applied.
"""

from __future__ import annotations

import multiprocessing
import time

import psycopg
from absurd_sdk import Absurd
from absurdctl import BUNDLED_SCHEMA_SQL

from benchmarks.engines.engine import until

QUEUE = "bench"


def _app(dsn: str) -> Absurd:
    app = Absurd(dsn, queue_name=QUEUE)

    @app.register_task(name="actions")
    def actions(params, context):  # type: ignore[no-untyped-def]
        total = 0
        for number in range(params["count"]):
            total += context.step(f"step-{number}", lambda number=number: number)
        return {"total": total}

    return app


def _work(dsn: str) -> None:
    _app(dsn).start_worker(concurrency=1, batch_size=10, poll_interval=0.01)


class AbsurdEngine:
    """Two worker processes."""

    name = "absurd"

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._connection.execute(BUNDLED_SCHEMA_SQL)  # type: ignore[arg-type]
        self._app = _app(dsn)
        self._app.create_queue(QUEUE)
        spawn = multiprocessing.get_context("spawn")
        self._workers = [spawn.Process(target=_work, args=(dsn,), daemon=True) for _ in range(2)]
        for worker in self._workers:
            worker.start()
        self.sequential(4, 1)

    def close(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join()

    def sequential(self, workflows: int, steps: int) -> float:
        began = time.perf_counter()
        for _ in range(workflows):
            self._app.spawn("actions", {"count": steps})
        until(self._nothing_open)
        return time.perf_counter() - began

    def latency(self) -> float:
        began = time.perf_counter()
        self._app.spawn("actions", {"count": 1})
        until(self._nothing_open, pause=0.0005)
        return time.perf_counter() - began

    def starts(self, count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            self._app.spawn("actions", {"count": 1}, queue=QUEUE)
        return time.perf_counter() - began

    def _nothing_open(self) -> bool:
        row = self._connection.execute(
            f"SELECT EXISTS (SELECT FROM absurd.t_{QUEUE} WHERE state NOT IN ('completed', 'failed', 'cancelled'))"
        ).fetchone()
        return row is not None and not row[0]
