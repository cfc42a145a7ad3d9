"""``python -m benchmarks [--peers]``: measures engines in turn, round after round, and prints figures and targets."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .contestants import ON_SQLITE, ONLY, PEERS, SQLITE_WORKLOADS
from .results import Rounds, load, medians_of, save, table
from .servers import durable_server, new_database
from .targets import TARGETS, report

WORKLOADS = ("w1", "w2", "w3", "naps", "20000", "replay", "w4", "w5", "w6", "tasks")


def main() -> None:
    asked = _parser().parse_args()
    rounds = load(asked.out) if asked.add else {}
    engines = asked.engines.split(",") if asked.engines else _engines(peers=asked.peers)
    for number in range(asked.rounds):
        print(f"round {number + 1} of {asked.rounds}", file=sys.stderr, flush=True)  # noqa: T201
        _round(rounds, engines, asked.workloads.split(","))
        if asked.out:
            save(asked.out, rounds)
    medians = medians_of(rounds)
    print(table(medians), report(TARGETS, medians), sep="\n\n")  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="also the other engines, from the extra bench")
    parser.add_argument("--engines", help="only these, with commas between: ours,absurd,ours_sqlite")
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help="only these, with commas between")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a file for the results as JSON, written after each round")
    parser.add_argument("--add", action="store_true", help="add to what is in that file, so that a run can be split")
    return parser


def _engines(*, peers: bool) -> list[str]:
    sqlite = [f"{name}_sqlite" for name in ON_SQLITE if peers or name == "ours"]
    return ["ours", *(PEERS if peers else ()), *sqlite]


def _round(rounds: Rounds, engines: list[str], workloads: list[str]) -> None:
    with durable_server() as server, tempfile.TemporaryDirectory() as folder:
        for engine in engines:
            if engine.endswith("_sqlite"):
                wanted = [each for each in workloads if each in SQLITE_WORKLOADS]
                found = run(engine, wanted, BENCHMARK_SQLITE=f"{folder}/{engine}.sqlite3")
            else:
                wanted = [each for each in workloads if each in ONLY.get(engine, workloads)]
                found = run(engine, wanted, DATABASE_URL=new_database(server, engine))
            if found:
                rounds.setdefault(engine, []).append(found)


def run(name: str, workloads: list[str], *options: str, **environment: str) -> dict[str, Any]:
    """The figures of one engine, measured in a process of its own; none if that failed."""
    if not workloads:
        return {}
    engine = name.removesuffix("_sqlite")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", engine, *workloads, *options],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        print(f"{name} failed", file=sys.stderr)  # noqa: T201
        return {}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
