"""How fast workflows are deleted whose retention is over: ``python -m benchmarks.expiring``; prints JSON.

Finished workflows of 10 steps, deleted by what the sweep calls. The database's address is in the environment, as
``DATABASE_URL``.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta

from .engines.engine import until
from .engines.ours import Ours
from .filling import multiply, settle
from .workloads import STEPS, Figures, scaled

WORKFLOWS = scaled(20_000)


def main() -> None:
    print(json.dumps(expiring()))  # noqa: T201


def expiring() -> Figures:
    """Workflows deleted a second, by one process."""
    engine = Ours()
    from django_workflows.models import Workflow

    try:
        prototype = engine.flow("actions").start(STEPS)
        until(Workflow.objects.filter(id=prototype, finished_at__isnull=False).exists)
    finally:
        engine.close()
    return _deleted(prototype)


def _deleted(prototype: object) -> Figures:
    from django.db.models import F

    from django_workflows.engine.cleanup import cleanup_expired
    from django_workflows.models import Workflow

    Workflow.objects.filter(id=prototype).update(expires_at=F("created_at") - timedelta(days=1))
    multiply(prototype, WORKFLOWS)
    settle()
    began = time.perf_counter()
    count = cleanup_expired()
    taken = time.perf_counter() - began
    assert count == WORKFLOWS + 1, count
    settle()
    return {"retention_per_s": count / taken}


if __name__ == "__main__":
    main()
