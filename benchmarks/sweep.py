"""Looks for each peer's best settings: ``python -m benchmarks.sweep [ENGINE...] [--workloads w1,w2] [--out FILE]``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from .__main__ import run
from .contestants import Settings
from .results import surroundings
from .servers import durable_server, new_database

#: Every combination is tried. Of DBOS: in process (``threads``) and by queue (``poll``).
GRIDS: dict[str, list[dict[str, list[Any]]]] = {
    "absurd": [
        {"concurrency": [1], "batch_size": [1, 10, 25], "poll_interval": [0.001, 0.01]},
        {"concurrency": [4], "batch_size": [4], "poll_interval": [0.01]},
    ],
    "dbos": [{"threads": [1, 2, 4, 8]}, {"poll": [0.01, 0.1], "concurrency": [None, 8]}],
    "procrastinate": [{"concurrency": [1, 5, 10, 20, 50]}],
    "chain": [{"poll": [0.001, 0.01], "bulk": [1, 10], "queue_limit": [4, 50]}],
    "dbos_sqlite": [
        {"threads": [1, 2, 4], "wal": [False, True]},
        {"poll": [0.01], "concurrency": [None, 4], "wal": [True]},
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("engines", nargs="*", default=list(GRIDS))
    parser.add_argument("--workloads", default="w1,w2,w4")
    parser.add_argument("--out", type=Path, help="a file of JSON, to which what is found is added")
    asked = parser.parse_args()
    found: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out and asked.out.exists() else {}
    for engine in asked.engines:
        for settings, figures in _tried(engine, asked.workloads.split(",")):
            found.setdefault(engine, []).append({"settings": settings, **figures})
            print(json.dumps(settings), *(f"{key}={value:.4g}" for key, value in figures.items()), flush=True)  # noqa: T201
            if asked.out:
                asked.out.write_text(json.dumps({"about": surroundings(), **found}, indent=1) + "\n")


def _tried(engine: str, workloads: list[str]) -> Iterator[tuple[Settings, dict[str, float]]]:
    with durable_server() as server, tempfile.TemporaryDirectory() as folder:
        for number, settings in enumerate(_combinations(engine)):
            place = (
                {"BENCHMARK_SQLITE": f"{folder}/{number}.sqlite3"}
                if engine.endswith("_sqlite")
                else {"DATABASE_URL": new_database(server, f"try_{number}")}
            )
            print(engine, settings, file=sys.stderr, flush=True)  # noqa: T201
            yield settings, run(engine, workloads, "--settings", json.dumps(settings), **place)


def _combinations(engine: str) -> Iterator[Settings]:
    for grid in GRIDS[engine]:
        for values in product(*grid.values()):
            yield dict(zip(grid, values, strict=True))


if __name__ == "__main__":
    main()
