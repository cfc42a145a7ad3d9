"""django-q2 alone, with its ORM broker: a workflow is a chain of tasks, which its monitor enqueues one by one."""

from __future__ import annotations

from typing import Any

from .engine import Engine, timed, until
from .project import Project

#: Nobody works on it.
NOBODY = "nobody"
FUNCTION = "benchmarks.flows.steps.nothing"


class ChainEngine(Engine):
    """One cluster with two workers. ``settings`` are laid over ``Q_CLUSTER``."""

    share = 0.2

    def __init__(self, **settings: Any) -> None:
        self._project = Project(
            {
                "broker_class": None,
                "save_limit": 0,  # above zero every kept row is locked to save one, below zero chains stop
                "recycle": 1_000_000,  # a worker that is recycled idles until the guard looks
                "scheduler": False,
                **settings,
            },
            command=["qcluster"],
        )
        self._project.open()
        self.sequential(4, 1)

    def close(self) -> None:
        self._project.close()

    def clear(self) -> None:
        from django_q.models import OrmQ, Task

        Task.objects.all().delete()
        OrmQ.objects.all().delete()

    def sequential(self, workflows: int, steps: int, kind: str = "actions") -> float:
        from django_q.tasks import async_chain

        def work() -> None:
            for _ in range(workflows):
                async_chain([(FUNCTION, (number,)) for number in range(steps)])
            self._until(workflows * steps, 0.02)

        self.clear()
        return timed(work)

    def latency(self) -> float:
        from django_q.tasks import async_task

        return timed(lambda: self._project.onlooker.wait("django_q_task", "id = {}", async_task(FUNCTION, 1)))

    def long(self, steps: int) -> list[float]:
        from django_q.models import Task
        from django_q.tasks import async_chain

        self.clear()
        async_chain([(FUNCTION, (number,)) for number in range(steps)])
        self._until(steps, 0.1)
        return [end.timestamp() for end in Task.objects.order_by("stopped").values_list("stopped", flat=True)]

    def parallel(self, count: int) -> float:
        """Tasks of their own."""
        return self.sequential(count, 1)

    def starts(self, count: int) -> float:
        from django_q.brokers.orm import ORM
        from django_q.tasks import async_task

        broker = ORM(list_key=NOBODY)
        return timed(lambda: [async_task(FUNCTION, 1, broker=broker) for _ in range(count)])

    def _until(self, count: int, pause: float) -> None:
        from django_q.models import Task

        until(lambda: Task.objects.count() >= count, pause=pause)
