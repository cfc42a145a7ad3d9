"""What the health endpoint tells a monitor.

Names and ids of workflows are in its sentences only where whoever asks may see every workflow.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ..conf import settings
from ..core.health import Health, QueueHealth, WorkerHealth, unnamed
from .documents import iso


def health_document(health: Health) -> dict[str, Any]:
    """``ok``, and what was measured. Durations are seconds."""
    if settings.API_VISIBLE is not None:
        health = unnamed(health)
    return {
        "ok": health.ok,
        "checked_at": iso(health.checked_at),
        "database": {"ok": not health.database_error, "clock_skew": _seconds(health.clock_skew)},
        "heartbeat": iso(max((worker.seen_at for worker in health.workers), default=None)),
        "oldest_due": _seconds(health.oldest_due),
        "blocked": health.blocked,
        "queues": [_queue(queue) for queue in health.queues],
        "workers": [_worker(worker) for worker in health.workers],
        "problems": [
            {
                "code": problem.code,
                "severity": problem.severity,
                "message": problem.message,
                "hint": problem.hint,
                "queue": problem.queue,
            }
            for problem in health.problems
        ],
    }


def _queue(queue: QueueHealth) -> dict[str, Any]:
    return {
        "queue": queue.queue,
        "due": queue.due,
        "oldest_due": _seconds(queue.waited),
        "workers": queue.workers,
        "busy": queue.busy,
        "stalled": queue.stalled,
        "growing": queue.growing,
    }


def _worker(worker: WorkerHealth) -> dict[str, Any]:
    return {
        "host": worker.host,
        "pid": worker.pid,
        "queue": worker.queue,
        "busy": bool(worker.doing),
        "started_at": iso(worker.started_at),
        "seen_at": iso(worker.seen_at),
        "done": worker.done,
    }


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
