"""The Django project that is measured, with a cluster of django-q2 in processes of its own."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lifeline import Lifeline

from .engine import PROCESSES
from .onlooker import Onlooker

ROOT = Path(__file__).parent.parent.parent


class Project:
    """Sets Django up in this process, once. ``q`` is laid over ``Q_CLUSTER``, here and in the clusters.

    ``command`` is what starts a cluster: a management command and its arguments.
    """

    def __init__(
        self,
        q: Mapping[str, Any] | None = None,
        *,
        migrate: bool = True,
        command: Sequence[str] = ("workflows", "cluster"),
    ) -> None:
        os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
        os.environ["BENCHMARK_Q"] = json.dumps({"workers": PROCESSES, **(q or {})})
        import django

        django.setup()
        self._command = [sys.executable, "manage.py", *command]
        if migrate:
            from django.core.management import call_command

            call_command("migrate", verbosity=0, run_syncdb=True)
        self.clusters: list[Lifeline] = []
        self.onlooker = Onlooker()

    def open(self) -> Lifeline:
        """Start one more cluster."""
        log = Path(tempfile.gettempdir()) / f"benchmark-cluster-{os.getpid()}.log"
        self.clusters.append(Lifeline(self._command, log=log, env=os.environ, cwd=ROOT, discard=None))
        return self.clusters[-1]

    def close(self) -> None:
        for cluster in self.clusters:
            cluster.cut()
        self.clusters.clear()
        self.onlooker.close()
