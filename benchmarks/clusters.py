"""Scaling out: ``python -m benchmarks.clusters [PART...]``: 1, 2 and 4 clusters of two workers on one PostgreSQL.

``shape``: steps per second, and what the database's sessions waited for meanwhile. ``notify``: what NOTIFY costs where
many clients commit at once: in the transaction that writes, in one of its own after it, and not at all.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Self

import psycopg

from tests.postgres import PostgresServer

from .engines.floor import commits_per_second
from .notifying import notifying
from .results import Rounds, load, medians_of, save, table
from .servers import durable_server, new_database
from .workloads import Figures, scaled

SIZES = (1, 2, 4)
WORKFLOWS = scaled(2000)
_SAMPLE = """
SELECT COALESCE(wait_event_type, 'CPU'), COALESCE(wait_event, 'running') FROM pg_stat_activity
WHERE datname = %s AND state = 'active' AND pid <> pg_backend_pid()
"""
#: Seconds between two looks at what the sessions wait for.
_PAUSE = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clusters", description=__doc__)
    parser.add_argument("parts", nargs="*", default=["shape", "notify"], help="shape, notify, or a number of clusters")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a file for the results as JSON, written after each round")
    parser.add_argument("--add", action="store_true", help="add to what is in that file, so that a run can be split")
    asked = parser.parse_args()
    if asked.parts[0].isdigit():
        print(json.dumps(one(int(asked.parts[0]))))  # noqa: T201
        return
    found: Rounds = load(asked.out) if asked.add else {}
    with durable_server(max_connections="300") as server:
        for number in range(asked.rounds):
            _round(server, number, asked.parts, found)
            if asked.out:
                save(asked.out, found)
    print(table(medians_of(found)))  # noqa: T201


def _round(server: PostgresServer, number: int, parts: list[str], found: Rounds) -> None:
    if "shape" in parts:
        for size in SIZES:
            figures = _shape(size, new_database(server, f"clusters_{size}_{number}"))
            found.setdefault(f"clusters_{size}", []).append(figures)
    if "notify" in parts:
        for clients, figures in notifying(new_database(server, f"notify_{number}")).items():
            found.setdefault(f"clients_{clients}", []).append(figures)


def _shape(size: int, dsn: str) -> Figures:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.clusters", str(size)],
        env=os.environ | {"DATABASE_URL": dsn},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def one(size: int) -> Figures:
    """So many clusters on the database of ``DATABASE_URL``: W1 with ten times as many workflows."""
    from .engines.ours import Ours

    dsn = os.environ["DATABASE_URL"]
    engine = Ours(clusters=size)
    try:
        engine.sequential(40, 10)
        floor = commits_per_second(dsn, 1.5, clients=2 * size)
        with Waits(dsn) as waits:
            taken = engine.sequential(WORKFLOWS, 10)
        return {"floor_per_s": floor, "actions_per_s": WORKFLOWS * 10 / taken, **waits.shares()}
    finally:
        engine.close()


class Waits:
    """Samples what the active sessions of a database wait for, from a thread, while it is entered."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._counts: Counter[str] = Counter()
        self._samples = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            name = connection.info.dbname
            while not self._over.wait(_PAUSE):
                self._samples += 1
                self._counts.update(f"{kind}.{event}" for kind, event in connection.execute(_SAMPLE, [name]))

    def shares(self, most: int = 8) -> Figures:
        """How many sessions were active on average, and how many of them in each of the commonest waits."""
        count = max(1, self._samples)
        active = {"active_sessions": sum(self._counts.values()) / count}
        return active | {f"in_{event}": seen / count for event, seen in self._counts.most_common(most)}


if __name__ == "__main__":
    main()
