"""Whether a worker's memory is flat: ``python -m benchmarks.memory [--workflows N] [--out FILE]``.

Workflows of many kinds, 1,000 at a time: with few steps and with some, failing, retried, canceled, with children,
sleeps and events, of 200 definitions. After each thousand the memory of both workers is read: what a worker holds, and
how much of that is its own. The latter is less, and grows by itself: a worker is a fork of its cluster, whose pages it
shares until it writes to them, and reading an object in Python writes its reference count.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from .results import surroundings
from .servers import durable_server, new_database

BATCH = 1000
#: What a worker may grow by in 10,000 workflows, in the last two thirds.
TOLERATED_MB = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--workflows", type=int, default=40_000)
    parser.add_argument("--out", type=Path, help="a file for the results as JSON")
    asked = parser.parse_args()
    with durable_server() as server:
        os.environ["DATABASE_URL"] = new_database(server, "memory")
        held, own = measure(asked.workflows)
    growth = growth_per_10000(held)
    print(f"grows by {growth:.2f} MB in 10,000 workflows after the first third: {_verdict(growth)}")  # noqa: T201
    if asked.out:
        document = {
            "about": surroundings(),
            "mb_after_each_1000": held,
            "own_mb_after_each_1000": own,
            "growth_mb_per_10000": growth,
        }
        asked.out.write_text(json.dumps(document, indent=1) + "\n")


Samples = list[list[float]]


def measure(workflows: int) -> tuple[Samples, Samples]:
    """What each worker holds in MB, and how much of it is its own, before, and after each thousand."""
    from .engines.ours import Ours

    engine = Ours()
    try:
        workers = _workers()
        held, own = [_each(_held, workers)], [_each(_own, workers)]
        for done in range(0, workflows, BATCH):
            _run(engine, done)
            held.append(_each(_held, workers))
            own.append(_each(_own, workers))
            print(done + BATCH, *(f"{each:.1f}" for each in held[-1] + own[-1]), file=sys.stderr, flush=True)  # noqa: T201
        assert _workers() == workers, "a worker was replaced"
        return held, own
    finally:
        engine.close()


def _run(engine: Any, done: int) -> None:
    from django.db import connection

    from .engines.engine import until
    from .flows import many

    ids = many.start(BATCH, done)
    from django_workflows.models import Workflow

    open_ones = Workflow.objects.filter(id__range=(min(ids), max(ids)), finished_at__isnull=True)
    until(lambda: not open_ones.exists(), timeout=180, pause=0.1)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    gc.collect()


def _workers() -> list[int]:
    from django_workflows.models import Worker

    return sorted(Worker.objects.filter(role="worker").values_list("pid", flat=True))


def _each(memory: Callable[[int], float], pids: list[int]) -> list[float]:
    return [memory(pid) / 1e6 for pid in pids]


def _own(pid: int) -> float:
    """Bytes that no other process shares."""
    return float(psutil.Process(pid).memory_full_info().uss)


def _held(pid: int) -> float:
    """Bytes of all pages that are no file's, also of those that are still shared with the cluster."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * float(status.partition("RssAnon:")[2].split()[0])


def growth_per_10000(samples: Samples) -> float:
    """MB that the mean worker gains in 10,000 workflows: a straight line through all but the first third."""
    means = [sum(each) / len(each) for each in samples][len(samples) // 3 :]
    middle_x, middle_y = (len(means) - 1) / 2, sum(means) / len(means)
    across = sum((x - middle_x) * (y - middle_y) for x, y in enumerate(means))
    return across / sum((x - middle_x) ** 2 for x in range(len(means))) * 10_000 / BATCH


def _verdict(growth: float) -> str:
    return "flat" if growth <= TOLERATED_MB else f"NOT FLAT (more than {TOLERATED_MB:g} MB)"


if __name__ == "__main__":
    main()
