"""What can be known of a run that stands still: who waits for what, and where each process is in its code."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import psutil
from django.db import connection
from django.db.models import Count
from django.utils import timezone

from django_workflows.models import Step, Worker, Workflow
from tests.chaos.fleet import Fleet
from tests.cluster import Cluster

#: So many workflows are shown, and so many bytes of a log besides what its processes say then.
_SHOWN, _BYTES = 12, 6000
_SESSIONS = """
    SELECT pid, state, wait_event_type, wait_event, pg_blocking_pids(pid), now() - xact_start, left(query, 160)
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY xact_start
"""


def counts() -> dict[str, int]:
    """How many workflows there are in each state."""
    found = Workflow.objects.order_by("state").values_list("state").annotate(Count("id"))
    return dict(found)


def diagnosis(fleet: Fleet) -> str:
    """As many lines as it takes; each part by itself, since the database may be what is missing."""
    lines: list[str] = []
    for title, part in (("open workflows", _workflows), ("workers", _workers), ("sessions", _sessions)):
        lines.append(f"--- {title}")
        try:
            lines += part()
        except Exception as error:  # noqa: BLE001 - it says what is wrong
            lines.append(f"not to be had: {error}")
            with suppress(Exception):
                connection.close()
    for cluster in list(fleet.clusters):
        lines += _processes(cluster)
    return "\n".join(lines)


def _workflows() -> Iterator[str]:
    running = Workflow.objects.filter(state="in_progress").order_by("id")
    yield f"{running.count()} of them"
    for each in running[:_SHOWN]:
        yield (
            f"{each.idempotency_key or each.name} {each.id} due {_ago(each.due_at)}, claimed by {each.claimed_by!r}, "
            f"begun {_ago(each.started_at)}, {each.deliveries} deliveries, version {each.version}, "
            f"canceled {_ago(each.cancel_requested_at)}, blocked {each.blocked_message!r}"
        )
        for step in Step.objects.filter(workflow=each, state__in=["queued", "running", "waiting"]).order_by("number"):
            yield (
                f"    step {step.number} {step.kind} {step.name} is {step.state}, due {_ago(step.due_at)}, "
                f"attempt {step.attempt}, claimed by {step.claimed_by!r}"
            )


def _workers() -> Iterator[str]:
    for each in Worker.objects.order_by("id"):
        yield f"{each.id} {each.role} seen {_ago(each.seen_at)}, worked {_ago(each.worked_at)}: {each.doing or 'idle'}"


def _sessions() -> Iterator[str]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_SESSIONS)
            for pid, state, kind, event, blockers, age, query in cursor.fetchall():
                yield f"{pid} {state}, waits for {kind} {event} {blockers or ''}, in its transaction {age}: {query}"


def _processes(cluster: Cluster) -> Iterator[str]:
    """Its processes, and the end of its log, to which each of them adds where it is (see ``tests/settings.py``)."""
    yield f"--- cluster {cluster.pid}"
    began = max(0, cluster.log_path.stat().st_size - _BYTES)
    for process in cluster.processes():
        with suppress(psutil.Error, OSError):
            yield f"{process.pid} below {process.ppid()} is {process.status()}, {sum(process.cpu_times()[:2]):.1f} s"
            os.kill(process.pid, signal.SIGUSR2)
            time.sleep(0.1)
    yield cluster.log_path.read_bytes()[began:].decode(errors="replace")


def _ago(instant: datetime | None) -> str:
    return "never" if instant is None else f"{(timezone.now() - instant).total_seconds():.1f} s ago"
