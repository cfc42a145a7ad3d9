"""Measures one engine in a process of its own: ``python -m benchmarks.measure ENGINE WORKLOAD...``; prints JSON.

The database's address is in the environment: ``DATABASE_URL``, or ``BENCHMARK_SQLITE`` for a file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from .contestants import Settings, best_settings, open_engine
from .engines.engine import CannotDo, Engine
from .engines.floor import commits_per_second
from .workloads import WORKLOADS, Figures

FLOOR_SECONDS = 1.5
#: The workloads beside which the floor is measured, and the name of that figure.
_FLOORS = {"w1": "floor_per_s", "w4": "w4_floor_per_s"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure", description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("workloads", nargs="+")
    parser.add_argument("--settings", type=json.loads, help="JSON; without it the best that is known")
    asked = parser.parse_args()
    print(json.dumps(measure(asked.engine, asked.workloads, asked.settings)))  # noqa: T201


def measure(name: str, workloads: list[str], settings: Settings | None = None) -> Figures:
    """The figures of one engine, which is opened anew where its settings change. What it cannot do is left out."""
    found: Figures = {}
    engine: Engine | None = None
    opened: Settings | None = None
    try:
        for workload in workloads:
            wanted = best_settings(name, workload) if settings is None else settings
            if engine is None or wanted != opened:
                if engine is not None:
                    engine.close()
                engine, opened = open_engine(name, wanted), wanted
            found |= _figures(name, engine, workload)
    finally:
        if engine is not None:
            engine.close()
    return found


def _figures(name: str, engine: Engine, workload: str) -> Figures:
    do: Any = _workloads(name).get(workload)
    if do is None:
        return {}
    print(f"  {name} {workload}", file=sys.stderr, flush=True)  # noqa: T201
    try:
        if workload not in _FLOORS or "BENCHMARK_SQLITE" in os.environ:
            return do(engine)  # type: ignore[no-any-return]
        return _beside_the_floor(_FLOORS[workload], lambda: do(engine))
    except CannotDo:
        return {}


def _beside_the_floor(name: str, work: Any) -> Figures:
    """What the database alone can do is measured before and after, so that both had the same machine."""
    dsn = os.environ["DATABASE_URL"]
    before = commits_per_second(dsn, FLOOR_SECONDS)
    found: Figures = work()
    floor = (before + commits_per_second(dsn, FLOOR_SECONDS)) / 2
    shares = {key.replace("_per_s", "_of_floor"): value / floor for key, value in found.items() if "_per_s" in key}
    return {name: floor, **found, **shares}


def _workloads(name: str) -> dict[str, Any]:
    if name != "ours":
        return WORKLOADS
    from .our_workloads import OUR_WORKLOADS

    return OUR_WORKLOADS


if __name__ == "__main__":
    main()
