"""django_workflows itself: a real django-q2 cluster with its ``JournalBroker``."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.engines.engine import until
from tests.lifeline import Lifeline

ROOT = Path(__file__).parent.parent.parent


class Ours:
    """One cluster with two workers. The database is what ``benchmarks.settings`` says."""

    name = "django_workflows"

    def __init__(self, *, workers: int = 2) -> None:
        self.workers = workers
        self._set_up()
        self._cluster: Lifeline | None = None

    def _set_up(self) -> None:
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0, run_syncdb=True)

    def open(self) -> Ours:
        from django_workflows.models import Worker

        log = Path(tempfile.gettempdir()) / f"benchmark-cluster-{os.getpid()}.log"
        self._cluster = Lifeline(
            [sys.executable, "manage.py", "qcluster"],
            log=log,
            env=os.environ | {"BENCHMARK_WORKERS": str(self.workers)},
            cwd=ROOT,
            discard=None,
        )
        until(lambda: Worker.objects.count() >= self.workers, timeout=30, pause=0.02)
        self.latency()  # both sides have made their connections
        return self

    def close(self) -> None:
        if self._cluster is not None:
            self._cluster.cut()

    # -- workloads

    def sequential(self, workflows: int, steps: int, kind: str) -> float:
        began = time.perf_counter()
        self._start_all(kind, workflows, steps)
        self._until_done()
        return time.perf_counter() - began

    def latency(self) -> float:
        from django_workflows.models import Workflow

        flow = self._flow("actions")
        began = time.perf_counter()
        workflow_id = flow.start(1)
        waiting = Workflow.objects.filter(id=workflow_id, finished_at__isnull=True)
        until(lambda: not waiting.exists(), pause=0.0005)
        return time.perf_counter() - began

    def long(self, steps: int, *, every: int | None = None, seconds: float = 0.01) -> list[float]:
        from django_workflows.models import Step, Workflow

        workflow_id = self._flow("naps").start(steps, every, seconds) if every else self._flow("actions").start(steps)
        until(lambda: Workflow.objects.filter(id=workflow_id, finished_at__isnull=False).exists(), pause=0.05)
        ends = Step.objects.filter(workflow_id=workflow_id, kind="action").order_by("number")
        return [instant.timestamp() for instant in ends.values_list("finished_at", flat=True)]

    def fan_out(self, count: int, kind: str) -> float:
        began = time.perf_counter()
        self._flow("fan_out" if kind == "actions" else "families").start(count)
        self._until_done()
        return time.perf_counter() - began

    def starts(self, count: int, *, batch: bool) -> float:
        flow = self._flow("actions").with_options(run_after=86400)
        began = time.perf_counter()
        if batch:
            flow.start_many([(1,)] * count)
        else:
            for _ in range(count):
                flow.start(1)
        elapsed = time.perf_counter() - began
        self.clear()
        return elapsed

    # -- inside

    def _flow(self, name: str) -> Any:
        from benchmarks.flows import workflows

        return getattr(workflows, name)

    def _start_all(self, kind: str, workflows: int, steps: int) -> None:
        from django.db import transaction

        flow = self._flow(kind)
        if hasattr(flow, "start_many"):
            flow.start_many([(steps,)] * workflows)
            return
        with transaction.atomic():
            for _ in range(workflows):
                flow.start(steps)

    def _until_done(self) -> None:
        from django_workflows.models import Workflow

        running = Workflow.objects.filter(state="in_progress")
        until(lambda: not running.exists())

    def clear(self) -> None:
        """Forget everything that was run."""
        from django.db import connection

        tables = "django_workflows_event, django_workflows_step, django_workflows_workflow, benchmarks_effect"
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"TRUNCATE {tables}")
                cursor.execute("VACUUM ANALYZE")
            else:
                for table in tables.split(", "):
                    cursor.execute(f"DELETE FROM {table}")
