"""What a million sleeping and a million finished workflows cost: ``python -m benchmarks.scale [PART...]``.

``compare``: W1 and W2 with them and without, turn by turn. ``soak``: 30,000 steps on end. ``idle``: what a cluster
costs that has nothing to do. ``timers``: 10,000 of them that fall due within one second. ``retention``: how fast
workflows are deleted. ``sizes``: bytes for each row and index entry.

To fill takes minutes. ``python -m benchmarks.scale serve`` does that, prints an address, and keeps the server until it
is interrupted; ``--server ADDRESS`` then makes each part runnable by itself, and ``--out`` puts them together.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .idle import idle
from .results import medians_of, save, table
from .servers import durable_server, new_database, on_server, query
from .sizes import sizes
from .targets import Target, figure, ratio, report
from .workloads import Figures

PARTS = ("sizes", "compare", "soak", "idle", "timers", "retention")
SMALL, LARGE = "small", "large"
TARGETS = [
    Target("W1, without beside with", ratio("w1_actions_per_s", LARGE, SMALL), 1.1),
    Target("W2 p50, with beside without", ratio("w2_p50_ms", SMALL, LARGE), 1.1),
    Target("W2 p95, with beside without", ratio("w2_p95_ms", SMALL, LARGE), 1.1),
    Target("W1 for 30,000 steps, without beside with", ratio("soak_actions_per_s", LARGE, SMALL), 1.1),
    Target("the same, last tenth beside the second", figure("soak_last_over_second_tenth", LARGE), 1.1),
    Target("Idle cluster, % of a core", figure("idle_cpu_percent", LARGE), 1),
    Target("Idle cluster, statements/s", figure("idle_statements_per_s", LARGE), 20),
    Target("10,000 timers of one second, all delivered after s", figure("timers_s", LARGE), 5),
    Target("Expired workflows of 10 steps deleted, per s", figure("retention_per_s", LARGE), 2400, at_least=True),
]


def main() -> None:
    asked = _parser().parse_args()
    with _server(asked) as address:
        if "serve" in asked.parts:
            print(address, flush=True)  # noqa: T201
            signal.pause()
        found = json.loads(asked.out.read_text())["rounds"] if asked.out and asked.out.exists() else {}
        for part in asked.parts:
            _PARTS[part](address, found, asked.rounds)
            if asked.out:
                save(asked.out, found, sleeping=asked.sleeping, finished=asked.finished)
    medians = medians_of(found)
    print(table(medians), report(TARGETS, medians), sep="\n\n")  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--sleeping", type=int, default=1_000_000)
    parser.add_argument("--finished", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", help="the address that `serve` printed")
    parser.add_argument("--out", type=Path, help="a file for the results as JSON, to which each part is added")
    return parser


@contextlib.contextmanager
def _server(asked: argparse.Namespace) -> Iterator[str]:
    """The address of a server with both databases in it."""
    if asked.server:
        yield asked.server
        return
    with durable_server(max_wal_size="8GB", shared_buffers="1GB", autovacuum_vacuum_cost_delay="0") as server:
        new_database(server, SMALL)
        full = new_database(server, LARGE)
        _python("benchmarks.filling", full, f"--sleeping={asked.sleeping}", f"--finished={asked.finished}")
        yield server.dsn


def _python(module: str, dsn: str, *arguments: str) -> str:
    """What a module prints that is run in a process of its own, with this database."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | {"DATABASE_URL": dsn},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def _measure(dsn: str, *workloads: str) -> Figures:
    found: Figures = json.loads(_python("benchmarks.measure", dsn, "ours", *workloads).splitlines()[-1])
    return found


def _compare(address: str, found: dict[str, Any], rounds: int) -> None:
    for _ in range(rounds):
        for name in (SMALL, LARGE):
            found.setdefault(name, []).append(_measure(on_server(address, name), "actions", "w2"))


def _idle(address: str, found: dict[str, Any], rounds: int) -> None:
    for name in (SMALL, LARGE):
        found.setdefault(name, []).append(idle(address, name))


def _soak(address: str, found: dict[str, Any], rounds: int) -> None:
    for name in (SMALL, LARGE):
        found.setdefault(name, []).append(_measure(on_server(address, name), "soak"))


def _timers(address: str, found: dict[str, Any], rounds: int) -> None:
    for name in (SMALL, LARGE):
        found.setdefault(name, []).append(_measure(on_server(address, name), "timers"))


def _retention(address: str, found: dict[str, Any], rounds: int) -> None:
    for name in (SMALL, LARGE):
        deleted = json.loads(_python("benchmarks.expiring", on_server(address, name)).splitlines()[-1])
        found.setdefault(name, []).append(deleted)


def _sizes(address: str, found: dict[str, Any], rounds: int) -> None:
    query(on_server(address, LARGE), "ANALYZE")
    found.setdefault("sizes", []).append(sizes(on_server(address, LARGE)))


_PARTS = {
    "compare": _compare,
    "idle": _idle,
    "soak": _soak,
    "timers": _timers,
    "retention": _retention,
    "sizes": _sizes,
}


if __name__ == "__main__":
    main()
