"""Absurd: tasks with checkpoints, kept by functions inside PostgreSQL; its workers look for tasks at intervals.

Its schema is not in the SDK but in the package ``absurdctl``, whose text is read and applied.
"""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import psycopg
from absurd_sdk import Absurd, AsyncAbsurd
from absurdctl import BUNDLED_SCHEMA_SQL

from .engine import PROCESSES, Engine, timed, until
from .onlooker import Onlooker
from .processes import WorkerProcess

#: A task may not wait for one of its own queue, so parents have another one; nobody works on the third.
QUEUE, PARENTS, NOBODY = "bench", "parents", "nobody"
_OPEN = "SELECT EXISTS (SELECT FROM absurd.t_{} WHERE state NOT IN ('completed', 'failed', 'cancelled'))"


def _app(dsn: str) -> Absurd:
    app = Absurd(dsn, queue_name=QUEUE)

    @app.register_task(name="actions")
    def actions(params, context):  # type: ignore[no-untyped-def]
        total = 0
        for number in range(params["count"]):
            total += context.step(f"step-{number}", lambda number=number: number)
        return {"total": total}

    @app.register_task(name="naps")
    def naps(params, context):  # type: ignore[no-untyped-def]
        for number in range(params["count"]):
            if number and number % params["every"] == 0:
                context.sleep_for(f"sleep-{number}", params["seconds"])
            context.step(f"step-{number}", lambda number=number: number)

    return app


def _async_app(dsn: str) -> AsyncAbsurd:
    app = AsyncAbsurd(dsn, queue_name=QUEUE)

    @app.register_task(name="actions")
    async def actions(params, context):  # type: ignore[no-untyped-def]
        """For the warm-up, which asks every engine for it."""
        return {"total": params["count"]}

    @app.register_task(name="waits")
    async def waits(params, context):  # type: ignore[no-untyped-def]
        async def wait() -> int:
            await asyncio.sleep(params["seconds"])
            return 1

        return {"total": sum([await context.step(f"step-{number}", wait) for number in range(params["count"])])}

    return app


def _parents(dsn: str) -> Absurd:
    app = Absurd(dsn, queue_name=PARENTS)

    @app.register_task(name="families")
    def families(params, context):  # type: ignore[no-untyped-def]
        def spawn() -> list[str]:
            return [str(app.spawn("actions", {"count": 1}, queue=QUEUE)["task_id"]) for _ in range(params["count"])]

        for child in context.step("spawn", spawn):
            context.await_task_result(child, queue_name=QUEUE)

    return app


def _work(pipe: Connection, dsn: str, settings: dict[str, Any], parents: bool) -> None:
    if settings.pop("asynchronous", False):
        pipe.send("ready")
        asyncio.run(_async_app(dsn).start_worker(**settings))
        return
    if parents:
        Thread(target=_parents(dsn).start_worker, kwargs={"poll_interval": 0.05}, daemon=True).start()
    app = _app(dsn)
    pipe.send("ready")
    app.start_worker(**settings)


class AbsurdEngine(Engine):
    """Two worker processes. ``settings`` are those of ``Absurd.start_worker``."""

    def __init__(self, dsn: str, **settings: Any) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._onlooker = Onlooker()
        installed = self._connection.execute("SELECT to_regclass('absurd.queues') IS NOT NULL").fetchone()
        if installed == (False,):
            self._connection.execute(BUNDLED_SCHEMA_SQL)  # type: ignore[arg-type]
        self._app = _app(dsn)
        for queue in (QUEUE, PARENTS, NOBODY):
            self._app.create_queue(queue)
        self._workers = [WorkerProcess(_work, dsn, settings, number == 0) for number in range(PROCESSES)]
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
        tables = ", ".join(f"absurd.{kind}_{queue}" for queue in (QUEUE, PARENTS, NOBODY) for kind in "trcew")
        self._connection.execute(f"TRUNCATE {tables}")  # type: ignore[arg-type]

    def sequential(self, workflows: int, steps: int, kind: str = "actions") -> float:
        def work() -> None:
            for _ in range(workflows):
                self._app.spawn(kind, {"count": steps})
            self._until_done(QUEUE)

        return timed(work)

    def waits(self, workflows: int, steps: int, seconds: float) -> float:
        def work() -> None:
            for _ in range(workflows):
                app.spawn("waits", {"count": steps, "seconds": seconds})
            self._until_done(QUEUE)

        app = Absurd(self._connection, queue_name=QUEUE)
        app.register_task("waits")(lambda params, context: None)
        return timed(work)

    def latency(self) -> float:
        def work() -> None:
            task_id = self._app.spawn("actions", {"count": 1})["task_id"]
            self._onlooker.wait(f"absurd.t_{QUEUE}", "task_id = {} AND state = 'completed'", task_id)

        return timed(work)

    def long(self, steps: int) -> list[float]:
        return self._ends("actions", {"count": steps})

    def naps(self, steps: int, every: int, seconds: float) -> list[float]:
        return self._ends("naps", {"count": steps, "every": every, "seconds": seconds})

    def parallel(self, count: int) -> float:
        """It has no parallel steps: tasks of one step each."""
        return self.sequential(count, 1)

    def children(self, count: int) -> float:
        def work() -> None:
            self._app.spawn("families", {"count": count}, queue=PARENTS)
            self._until_done(PARENTS)

        return timed(work)

    def starts(self, count: int) -> float:
        def work() -> None:
            for _ in range(count):
                app.spawn("actions", {"count": 1})

        app = Absurd(self._connection, queue_name=NOBODY)
        app.register_task("actions")(lambda params, context: None)
        return timed(work)

    def _ends(self, task: str, params: dict[str, Any]) -> list[float]:
        task_id = self._app.spawn(task, params)["task_id"]
        query = f"SELECT state FROM absurd.t_{QUEUE} WHERE task_id = %s"
        until(lambda: self._connection.execute(query, [task_id]).fetchone() == ("completed",), pause=0.05)  # type: ignore[arg-type]
        rows = self._connection.execute(
            f"SELECT extract(epoch FROM updated_at)::float8 FROM absurd.c_{QUEUE} "  # type: ignore[arg-type]
            "WHERE task_id = %s AND checkpoint_name LIKE 'step-%%' ORDER BY updated_at",
            [task_id],
        ).fetchall()
        return [row[0] for row in rows]

    def _until_done(self, queue: str) -> None:
        query = _OPEN.format(queue)
        until(lambda: self._connection.execute(query).fetchone() == (False,))  # type: ignore[arg-type]
