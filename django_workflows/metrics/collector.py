"""Turns what the database says into metric families."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from django.db import Error as DatabaseError
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..core.health import Health
from ..engine.health import check_health_aloud
from ..store import metrics as store

logger = logging.getLogger("django_workflows")

_PREFIX = "django_workflows_"
#: Upper bounds of the durations' buckets, in seconds: from a quick request to a month.
BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400, 604_800, 2_592_000)


class WorkflowCollector(Collector):
    """Reads everything from the database at each scrape; register it once in each process that is scraped.

    Never raises for the database's sake: while that does not answer, ``django_workflows_up`` is 0 and nothing else is
    shown.
    """

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering it asks no database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        began = time.monotonic()
        try:
            with store.bounded():
                found = [*_of_health(check_health_aloud()), *_counts(), _steps(), _durations()]
        except DatabaseError:
            logger.warning("The metrics could not be read", exc_info=True)
            yield _gauge("up", "Whether the journal's database answered.", 0)
            return
        yield _gauge("up", "Whether the journal's database answered.", 1)
        yield from found
        yield _gauge("scrape_seconds", "How long it took to read these metrics.", time.monotonic() - began)


def _of_health(health: Health) -> Iterator[Metric]:
    if health.database_error:
        raise DatabaseError(health.database_error)
    workers = _family("workers", "Worker processes that were heard of within a lease.", "queue")
    busy = _family("busy_workers", "Of the workers, those that run a step or a task.", "queue")
    due = _family("due", f"Turns and steps that could begin now, counted up to {store.COUNT_LIMIT}.", "queue")
    oldest = _family("oldest_due_seconds", "How long the oldest due work has waited.", "queue")
    stalled = _family("stalled", "1 if work is due and nobody takes it.", "queue")
    for queue in health.queues:
        labels = [queue.queue]
        workers.add_metric(labels, queue.workers)
        busy.add_metric(labels, queue.busy)
        due.add_metric(labels, queue.due)
        oldest.add_metric(labels, 0 if queue.waited is None else queue.waited.total_seconds())
        stalled.add_metric(labels, int(queue.stalled))
    yield from (workers, busy, due, oldest, stalled)
    yield _gauge("blocked", "Workflows that are blocked.", health.blocked)
    if health.clock_skew is not None:
        ahead = health.clock_skew.total_seconds()
        yield _gauge("clock_skew_seconds", "How far this host's clock is ahead of the database's.", ahead)


def _counts() -> Iterator[Metric]:
    text = f"Stored workflows, counted up to {store.COUNT_LIMIT} per name and state."
    family = _family("workflows", text, "workflow", "state")
    for name, state, count in store.workflow_counts():
        family.add_metric([name, state], count)
    yield family


def _steps() -> Metric:
    family = _family("open_steps", f"Steps that have not ended, counted up to {store.COUNT_LIMIT} per state.", "state")
    for state, count in store.open_step_counts().items():
        family.add_metric([state], count)
    return family


def _durations() -> Metric:
    family = GaugeHistogramMetricFamily(
        f"{_PREFIX}duration_seconds",
        f"From start to end, of the newest {store.DURATION_LIMIT} per name and state that ended within the hour.",
        labels=["workflow", "state"],
    )
    for name, state, seconds in store.durations():
        family.add_metric([name, state], buckets=_buckets(seconds), gsum_value=sum(seconds))
    return family


def _buckets(seconds: Sequence[float]) -> list[tuple[str, float]]:
    """How many are at most as long as each bound."""
    counts = [0] * (len(BUCKETS) + 1)
    for each in seconds:
        counts[bisect_left(BUCKETS, each)] += 1
    bounds = [*(str(float(bound)) for bound in BUCKETS), "+Inf"]
    return [(bound, float(count)) for bound, count in zip(bounds, accumulate(counts), strict=True)]


def _family(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=labels)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", text, value=value)
