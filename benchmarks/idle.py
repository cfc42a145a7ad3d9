"""What a cluster costs that has nothing to do: processor time of all its processes, and statements that it sends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from .servers import on_server, query
from .workloads import Figures, scaled

SETTLE = 8.0
SECONDS = float(scaled(60))


def idle(address: str, name: str) -> Figures:
    """Over a minute, of a cluster with two workers on database ``name`` of that server."""
    holder = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.idle"],
        env=os.environ | {"DATABASE_URL": on_server(address, name)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        cluster = psutil.Process(json.loads(holder.stdout.readline()))
        time.sleep(SETTLE)
        return _over_a_minute(address, name, cluster)
    finally:
        holder.stdin.close()
        holder.wait()


def _over_a_minute(address: str, name: str, cluster: psutil.Process) -> Figures:
    backends = [psutil.Process(pid) for pid in _backends(address, name)]
    before = _seconds([cluster, *cluster.children(recursive=True)]), _seconds(backends)
    log = _Statements(address)
    time.sleep(SECONDS)
    statements = log.count()
    after = _seconds([cluster, *cluster.children(recursive=True)]), _seconds(backends)
    return {
        "idle_cpu_percent": 100 * (after[0] - before[0]) / SECONDS,
        "idle_postgres_cpu_percent": 100 * (after[1] - before[1]) / SECONDS,
        "idle_statements_per_s": statements / SECONDS,
    }


def _seconds(processes: list[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _backends(address: str, name: str) -> list[int]:
    sql = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
    return [row[0] for row in query(address, sql, name)]


class _Statements:
    """Counts statements by the server's own log, from now on."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._file = Path(query(address, "SELECT current_setting('data_directory')")[0][0]).parent / "server.log"
        self._log("all")
        self._start = self._file.stat().st_size

    def count(self) -> int:
        self._log("none")
        with self._file.open(errors="replace") as file:
            file.seek(self._start)
            return sum("LOG:  statement:" in line or "LOG:  execute" in line for line in file)

    def _log(self, which: str) -> None:
        query(self._address, f"ALTER SYSTEM SET log_statement = '{which}'")
        query(self._address, "SELECT pg_reload_conf()")
        time.sleep(0.5)


def _hold() -> None:
    from .engines.ours import Ours

    engine = Ours()
    print(engine.project.clusters[0].pid, flush=True)  # noqa: T201
    from django.db import connections

    connections.close_all()
    sys.stdin.read()
    engine.close()


if __name__ == "__main__":
    _hold()
