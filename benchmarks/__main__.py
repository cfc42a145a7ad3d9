"""``python -m benchmarks [--peers] [--rounds N] [--out FILE]``: measures, interleaved, and prints a table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres import PostgresServer

Results = dict[str, list[dict[str, Any]]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="also the other engines, from the extra bench")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a file for the results as JSON")
    asked = parser.parse_args()
    engines = ["floor", "ours", *(["absurd", "dbos"] if asked.peers else [])]
    sqlite = ["ours", *(["dbos"] if asked.peers else [])]
    results: Results = {}
    with PostgresServer(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        for number in range(asked.rounds):
            for engine in engines:
                _add(results, engine, DATABASE_URL=_new_database(server, f"{engine}_{number}"))
            for engine in sqlite:
                _add(results, f"{engine}_sqlite", BENCHMARK_SQLITE=f"{folder}/{engine}{number}.sqlite3")
    medians = {engine: _median(rounds) for engine, rounds in results.items()}
    print(_table(medians))  # noqa: T201
    if asked.out:
        about = {"python": platform.python_version(), "cores": os.cpu_count(), "rounds": asked.rounds}
        asked.out.write_text(json.dumps({"about": about, "medians": medians, "rounds": results}, indent=1) + "\n")


def _new_database(server: PostgresServer, name: str) -> str:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return server.dsn.replace("/postgres?", f"/{name}?")


def _add(results: Results, name: str, **environment: str) -> None:
    engine = name.removesuffix("_sqlite")
    print(f"{name} ...", file=sys.stderr, flush=True)  # noqa: T201
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", engine],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=180,
    )
    if done.returncode:
        print(f"{name} failed", file=sys.stderr)  # noqa: T201
        return
    results.setdefault(name, []).append(json.loads(done.stdout.strip().splitlines()[-1]))


def _median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        key: _median([each[key] for each in rounds])
        if isinstance(value, dict)
        else statistics.median(each[key] for each in rounds)
        for key, value in rounds[0].items()
    }


def _table(medians: dict[str, dict[str, Any]]) -> str:
    flat = {engine: _flat(found) for engine, found in medians.items()}
    rows = list(dict.fromkeys(key for found in flat.values() for key in found))
    width = max(map(len, rows)) + 2
    lines = ["".ljust(width) + "".join(engine.rjust(14) for engine in flat)]
    for row in rows:
        cells = (f"{found[row]:,.2f}" if row in found else "-" for found in flat.values())
        lines.append(row.ljust(width) + "".join(cell.rjust(14) for cell in cells))
    return "\n".join(lines)


def _flat(found: dict[str, Any], before: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for key, value in found.items():
        flat |= _flat(value, f"{key}.") if isinstance(value, dict) else {before + key: value}
    return flat


if __name__ == "__main__":
    main()
