"""django-tasks' database backend, of the package django-tasks-db: Django's Tasks in a table, one at a time a worker."""

from __future__ import annotations

import os
from typing import Any

from .engine import PROCESSES, Engine, timed, until
from .project import Project

#: A queue on which nobody works.
NOBODY = "nobody"


class DjangoTasksEngine(Engine):
    """Two workers. ``interval`` is their pause, in seconds, where there is nothing to do."""

    def __init__(self, *, interval: float) -> None:
        os.environ["BENCHMARK_TASKS"] = "django_tasks_db.DatabaseBackend"
        self._project = Project(command=["db_worker", "--interval", str(interval), "--no-startup-delay"])
        for _ in range(PROCESSES):
            self._project.open()
        self.tasks(4)

    def close(self) -> None:
        self._project.close()

    def clear(self) -> None:
        self._rows().delete()

    def tasks(self, count: int) -> float:
        def work() -> None:
            self._enqueue(count)
            until(lambda: not self._rows().filter(finished_at__isnull=True, queue_name="default").exists(), pause=0.01)

        return timed(work)

    def enqueues(self, count: int) -> float:
        task = self._task(queue_name=NOBODY)
        return timed(lambda: [task.enqueue(1) for _ in range(count)])

    def enqueues_together(self, count: int) -> float:
        return timed(lambda: self._enqueue(count, queue_name=NOBODY))

    def _enqueue(self, count: int, **using: Any) -> None:
        from django.db import transaction

        task = self._task(**using)
        with transaction.atomic():
            for number in range(count):
                task.enqueue(number)

    def _task(self, **using: Any) -> Any:
        from benchmarks.flows.tasks import nothing

        return nothing.using(**using)

    def _rows(self) -> Any:
        from django_tasks_db.models import DBTaskResult

        return DBTaskResult.objects.all()
