"""procrastinate: tasks in PostgreSQL. A workflow is a chain: each task defers the next one when it ends."""

from __future__ import annotations

import asyncio
import logging
from multiprocessing.connection import Connection
from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector

from .engine import PROCESSES, Engine, timed, until
from .onlooker import Onlooker
from .processes import WorkerProcess

#: Nobody works on the second.
QUEUE, NOBODY = "bench", "nobody"
_OPEN = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE queue_name = %s AND status IN ('todo', 'doing'))"
_ENDS = "SELECT extract(epoch FROM at)::float8 FROM procrastinate_events WHERE type = 'succeeded' ORDER BY id"


def _app(dsn: str) -> Any:
    app = App(connector=PsycopgConnector(conninfo=dsn))

    @app.task(name="link", queue=QUEUE)
    async def link(left: int) -> int:
        if left > 1:
            await app.configure_task("link", queue=QUEUE).defer_async(left=left - 1)
        return left

    return app


def _work(pipe: Connection, dsn: str, settings: dict[str, Any]) -> None:
    logging.disable(logging.INFO)

    async def run() -> None:
        app = _app(dsn)
        async with app.open_async():
            pipe.send("ready")
            await app.run_worker_async(queues=[QUEUE], **settings)

    asyncio.run(run())


class ProcrastinateEngine(Engine):
    """Two worker processes. ``settings`` are those of ``App.run_worker``."""

    def __init__(self, dsn: str, **settings: Any) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._onlooker = Onlooker()
        self._app = _app(dsn)
        self._app.open()
        installed = self._connection.execute("SELECT to_regclass('procrastinate_jobs') IS NOT NULL").fetchone()
        if installed == (False,):
            self._app.schema_manager.apply_schema()
        self._link = self._app.configure_task("link", queue=QUEUE)
        self._workers = [WorkerProcess(_work, dsn, settings) for _ in range(PROCESSES)]
        for worker in self._workers:
            worker.ready()
        self.sequential(4, 1)

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self._app.close()
        self._connection.close()
        self._onlooker.close()

    def clear(self) -> None:
        self._connection.execute("TRUNCATE procrastinate_jobs, procrastinate_events CASCADE")

    def sequential(self, workflows: int, steps: int, kind: str = "actions") -> float:
        def work() -> None:
            self._link.batch_defer(*({"left": steps} for _ in range(workflows)))
            self._until_done(0.01)

        return timed(work)

    def latency(self) -> float:
        def work() -> None:
            job = self._link.defer(left=1)
            self._onlooker.wait("procrastinate_jobs", "id = {} AND status = 'succeeded'", job)

        return timed(work)

    def long(self, steps: int) -> list[float]:
        self.clear()
        self._link.defer(left=steps)
        self._until_done(0.05)
        return [row[0] for row in self._connection.execute(_ENDS).fetchall()]

    def parallel(self, count: int) -> float:
        """Tasks, deferred together."""
        return self.sequential(count, 1)

    def starts(self, count: int) -> float:
        link = self._app.configure_task("link", queue=NOBODY)
        return timed(lambda: [link.defer(left=1) for _ in range(count)])

    def batch(self, count: int) -> float:
        link = self._app.configure_task("link", queue=NOBODY)
        return timed(lambda: link.batch_defer(*({"left": 1} for _ in range(count))))

    def _until_done(self, pause: float) -> None:
        until(lambda: self._connection.execute(_OPEN, [QUEUE]).fetchone() == (False,), pause=pause)
