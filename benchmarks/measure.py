"""Measures one engine in a process of its own: ``python -m benchmarks.measure ENGINE``; prints one line of JSON.

The database's address is in the environment: ``DATABASE_URL``, or ``BENCHMARK_SQLITE`` for a file.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

WORKFLOWS, STEPS = 200, 10
LATENCIES = 60


def _latency(once: Callable[[], float]) -> dict[str, float]:
    taken = []
    for _ in range(LATENCIES):
        time.sleep(0.03)
        taken.append(1000 * once())
    taken.sort()
    return {"p50_ms": statistics.median(taken), "p95_ms": taken[int(0.95 * len(taken))]}


def _tenths(ends: list[float]) -> dict[str, float]:
    tenth = len(ends) // 10
    return {
        "first_ms_per_step": 1000 * (ends[tenth] - ends[0]) / tenth,
        "last_ms_per_step": 1000 * (ends[-1] - ends[-1 - tenth]) / tenth,
    }


def ours() -> dict[str, Any]:
    from benchmarks.engines.ours import Ours

    engine = Ours().open()
    sqlite = bool(os.environ.get("BENCHMARK_SQLITE"))
    try:
        engine.sequential(20, STEPS, "actions")
        found: dict[str, Any] = {
            f"{kind}_per_s": WORKFLOWS * STEPS / engine.sequential(WORKFLOWS, STEPS, kind)
            for kind in ("actions", "mutations", "inline_mutations")
        }
        found |= _latency(engine.latency)
        if not sqlite:
            found["fan_out_200_s"] = engine.fan_out(200, "actions")
            found["fan_out_2000_s"] = engine.fan_out(2000, "actions")
            found["children_200_s"] = engine.fan_out(200, "children")
            found["long_5000"] = _tenths(engine.long(5000))
            found["long_naps_1000"] = _tenths(engine.long(1000, every=10))
        found["starts_per_s"] = 1000 / engine.starts(1000, batch=False)
        found["batch_per_s"] = 10_000 / engine.starts(10_000, batch=True)
        return found
    finally:
        engine.close()


def floor() -> dict[str, Any]:
    from benchmarks.engines.floor import commits_per_second

    return {"commits_per_s": commits_per_second(os.environ["DATABASE_URL"], 2.0)}


def _peer(engine: Any) -> dict[str, Any]:
    try:
        engine.sequential(20, STEPS)
        found: dict[str, Any] = {"actions_per_s": WORKFLOWS * STEPS / engine.sequential(WORKFLOWS, STEPS)}
        found |= _latency(engine.latency)
        found["starts_per_s"] = 300 / engine.starts(300)
        return found
    finally:
        engine.close()


def absurd() -> dict[str, Any]:
    from benchmarks.engines.absurd import AbsurdEngine

    return _peer(AbsurdEngine(os.environ["DATABASE_URL"]))


def dbos() -> dict[str, Any]:
    from benchmarks.engines.dbos import DBOSEngine

    file = os.environ.get("BENCHMARK_SQLITE")
    url = f"sqlite:///{file}" if file else os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
    return _peer(DBOSEngine(url))


if __name__ == "__main__":
    measurements = {"ours": ours, "floor": floor, "absurd": absurd, "dbos": dbos}
    print(json.dumps(measurements[sys.argv[1]]()))  # noqa: T201
