"""django_workflows itself: a real django-q2 cluster with its ``JournalBroker``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from .engine import PROCESSES, CannotDo, Engine, timed, until
from .project import Project

#: A queue on which nobody works.
NOBODY = "nobody"


class Ours(Engine):
    """Clusters with two workers each. The database is what ``benchmarks.settings`` says."""

    def __init__(self, *, clusters: int = 1, migrate: bool = True) -> None:
        self.project = Project(migrate=migrate)
        for _ in range(clusters):
            self.project.open()
        from django_workflows.models import Worker

        until(lambda: Worker.objects.count() >= clusters * PROCESSES, timeout=30, pause=0.02)
        self.latency()  # both sides have made their connections

    def close(self) -> None:
        self.project.close()

    def clear(self) -> None:
        from django.db import connection

        tables = "django_workflows_event, django_workflows_step, django_workflows_workflow, benchmarks_effect"
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"TRUNCATE {tables}")
                cursor.execute("VACUUM ANALYZE")
            else:
                for table in tables.split(", "):
                    cursor.execute(f"DELETE FROM {table}")

    def sequential(self, workflows: int, steps: int, kind: str = "actions") -> float:
        table, running = "django_workflows_workflow", "id BETWEEN {} AND {} AND finished_at IS NULL"

        def work() -> None:
            ids = self.flow(kind).start_many([(steps,)] * workflows)
            first, last = min(ids).hex, max(ids).hex
            # All of it may take less than 0.1 s.
            until(lambda: not self.project.onlooker.sees(table, running, first, last), pause=0.003)

        return timed(work)

    def waits(self, workflows: int, steps: int, seconds: float) -> float:
        return self._all("waits", workflows, steps, seconds)

    def blocks(self, workflows: int, steps: int, seconds: float) -> float:
        """The same with ordinary functions, which run in threads."""
        return self._all("blocks", workflows, steps, seconds)

    def _all(self, name: str, workflows: int, steps: int, seconds: float) -> float:
        table, running = "django_workflows_workflow", "id BETWEEN {} AND {} AND finished_at IS NULL"

        def work() -> None:
            ids = self.flow(name).start_many([(steps, seconds)] * workflows)
            first, last = min(ids).hex, max(ids).hex
            until(lambda: not self.project.onlooker.sees(table, running, first, last), pause=0.01, timeout=240)

        return timed(work)

    def waits_beside(self, count: int, seconds: float) -> float:
        return timed(lambda: self._run("waits_beside", count, seconds, pause=0.005))

    def latency(self) -> float:
        def work() -> None:
            workflow_id = self.flow("actions").start(1)
            ended = "id = {} AND finished_at IS NOT NULL"
            self.project.onlooker.wait("django_workflows_workflow", ended, workflow_id.hex)

        return timed(work)

    def long(self, steps: int) -> list[float]:
        return self._ends(self._run("actions", steps))

    def naps(self, steps: int, every: int, seconds: float) -> list[float]:
        return self._ends(self._run("naps", steps, every, seconds))

    def replay(self, steps: int) -> Callable[[], float]:
        from django_workflows.engine.histories import mismatch, read_history

        flow, workflow_id = self.flow("actions"), self._run("actions", steps)

        def once() -> float:
            found: list[str | None] = []
            elapsed = timed(lambda: found.append(mismatch(flow, read_history(workflow_id))))
            assert found == [None], found
            return elapsed

        return once

    def parallel(self, count: int) -> float:
        return timed(lambda: self._run("fan_out", count, pause=0.005))

    def children(self, count: int) -> float:
        return timed(lambda: self._run("families", count, pause=0.005))

    def starts(self, count: int) -> float:
        flow = self.flow("actions").with_options(run_after=86400)
        return timed(lambda: [flow.start(1) for _ in range(count)])

    def batch(self, count: int) -> float:
        flow = self.flow("actions").with_options(run_after=86400)
        return timed(lambda: flow.start_many([(1,)] * count))

    def tasks(self, count: int) -> float:
        table, running = "django_workflows_workflow", "id BETWEEN {} AND {} AND finished_at IS NULL"

        def work() -> None:
            task = self._task()
            results = task.get_backend().enqueue_many(task, [((number,), {}) for number in range(count)])
            ids = sorted(UUID(result.id).hex for result in results)
            until(lambda: not self.project.onlooker.sees(table, running, ids[0], ids[-1]), pause=0.003)

        return timed(work)

    def enqueues(self, count: int) -> float:
        task = self._task().using(queue_name=NOBODY)
        return timed(lambda: [task.enqueue(1) for _ in range(count)])

    def enqueues_together(self, count: int) -> float:
        return timed(lambda: self._enqueue(count, queue_name=NOBODY))

    def enqueue_batch(self, count: int) -> float:
        task = self._task().using(queue_name=NOBODY)
        return timed(lambda: task.get_backend().enqueue_many(task, [((1,), {})] * count))

    def _enqueue(self, count: int, **using: Any) -> list[Any]:
        from django.db import transaction

        task = self._task().using(**using)
        with transaction.atomic():
            return [task.enqueue(number) for number in range(count)]

    def _task(self) -> Any:
        from django.conf import settings

        if not settings.TASKS_FRAMEWORK:
            raise CannotDo
        from benchmarks.flows.tasks import nothing

        return nothing

    # -- what only this engine is asked for

    def start(self) -> float:
        """One ``start()``, of a workflow that nobody works on."""
        flow = self.flow("actions").with_options(run_after=86400)
        return timed(lambda: flow.start(1))

    def insert(self) -> float:
        """One row inserted through the ORM, as bare as can be."""
        from benchmarks.flows.models import Effect

        return timed(lambda: Effect.objects.create(workflow_id="0" * 32, number=1))

    def soak(self, workflows: int, steps: int) -> list[float]:
        """When each of so many workflows of so many steps ended, in the order in which they did."""
        from django_workflows.models import Workflow

        ids = self.flow("actions").start_many([(steps,)] * workflows)
        ours = Workflow.objects.filter(id__range=(min(ids), max(ids)))
        until(lambda: not ours.filter(finished_at__isnull=True).exists(), pause=0.2, timeout=240)
        return sorted(end.timestamp() for end in ours.values_list("finished_at", flat=True))

    def timers(self, count: int) -> float:
        """How long after the second in which so many timers fall due the last of their workflows has ended."""
        from django.db.models import Max
        from django.utils import timezone

        from django_workflows.models import Step, Workflow

        due = timezone.now() + timedelta(seconds=10 + count / 400)
        ids = self.flow("alarm").start_many([(due + timedelta(seconds=number / count),) for number in range(count)])
        ours = Workflow.objects.filter(id__range=(min(ids), max(ids)))
        until(lambda: not ours.filter(started_at__isnull=True).exists(), pause=0.5)
        asleep = Step.objects.filter(workflow__in=ours, kind="sleep", state="waiting").count()
        assert asleep == count, f"only {asleep} of {count} were asleep before they fell due"
        until(lambda: not ours.filter(finished_at__isnull=True).exists(), pause=0.2)
        last = ours.aggregate(last=Max("finished_at"))["last"]
        return float((last - due).total_seconds())

    def flow(self, name: str) -> Any:
        from benchmarks.flows import workflows

        return getattr(workflows, name)

    def _run(self, name: str, *args: Any, pause: float = 0.05) -> Any:
        from django_workflows.models import Workflow

        workflow_id = self.flow(name).start(*args)
        waiting = Workflow.objects.filter(id=workflow_id, finished_at__isnull=True)
        until(lambda: not waiting.exists(), pause=pause, timeout=240)
        return workflow_id

    def _ends(self, workflow_id: Any) -> list[float]:
        from django_workflows.models import Step

        ends = Step.objects.filter(workflow_id=workflow_id, kind="action").order_by("number")
        return [instant.timestamp() for instant in ends.values_list("finished_at", flat=True)]
