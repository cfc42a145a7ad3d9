"""Two clusters, supervised as by systemd, and whoever kills their processes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import psutil
from django.db import connection

from tests.app.chaos_steps import LOG
from tests.cluster import HARDENED, Cluster, is_alive
from tests.postgres import PostgresServer
from tests.waiting import wait_for

#: How often who is killed. Of a stock cluster, whose other deaths leave orphans behind, only the crew.
VICTIMS = {"worker": 8, "pusher": 3, "monitor": 3, "sentinel": 2, "main": 2, "cluster": 2}
STOCK_VICTIMS = {"worker": 4, "monitor": 1}
POSTGRES = {"postgres fast": 1, "postgres immediate": 1, "postgres kill -9": 1}
WORKERS = 3
SETTINGS = {"LEASE": 4, "TURN_TIMEOUT": 2, "DRAIN_SECONDS": 1}


class Fleet:
    """``killed`` counts the victims by what they were; ``doing`` is what is done to it at present, ``since`` when."""

    def __init__(
        self,
        folder: Path,
        rng: random.Random,
        *,
        size: int = 2,
        stock: bool = False,
        without: str = "",
        env: Mapping[str, str],
    ) -> None:
        self._folder, self._rng, self._stock, self._env = folder, rng, stock, env
        self._command = ("qcluster",) if stock else ("without", without) if without else HARDENED
        self._count = 0
        self.killed: Counter[str] = Counter()
        self.last = "nobody"
        self.goes_on("starting clusters")
        self.groups: list[int] = []
        self.clusters = [self._start() for _ in range(size)]

    def __str__(self) -> str:
        # Not by their exit codes, which only one thread may read.
        sizes = ", ".join(str(len(each.workers())) if is_alive(each.pid) else "dead" for each in list(self.clusters))
        victims = f"{self.killed.total()} victims, the last was {self.last}"
        return f"{victims}; workers of the clusters: {sizes}; {self.doing} for {time.monotonic() - self.since:.1f} s"

    def goes_on(self, doing: str) -> None:
        self.doing, self.since = doing, time.monotonic()

    def _start(self) -> Cluster:
        self._count += 1
        cluster = Cluster(
            self._folder / f"cluster-{self._count}.log",
            command=self._command,
            workflows=SETTINGS,
            q={"workers": WORKERS, "recycle": 50},
            env=self._env,
            timeout=300,
        )
        self.groups.append(cluster.pid)
        return cluster

    def strike(self, server: PostgresServer | None) -> str:
        """Kill one at random; who it was."""
        victims = dict(STOCK_VICTIMS if self._stock else VICTIMS)
        if server is not None and not self._stock:
            victims |= POSTGRES
        victim = self._rng.choices(list(victims), list(victims.values()))[0]
        self.goes_on(f"killing {victim}")
        if victim in POSTGRES:
            assert server is not None
            _restart(server, victim.removeprefix("postgres "))
        elif not self._kill(victim):
            return ""
        self.killed[victim] += 1
        self.last = victim
        return victim

    def _kill(self, role: str) -> bool:
        index = self._rng.randrange(len(self.clusters))
        cluster = self.clusters[index]
        if role == "cluster":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(cluster.pid, signal.SIGKILL)
        else:
            pids = cluster.pids(role)
            if not pids:
                return False
            pid = self._rng.choice(pids)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not is_alive(pid), message=f"{pid} survived kill -9")
        if role in ("cluster", "main"):
            wait_for(lambda: cluster.returncode is not None)
        return True

    def kill_all_workers(self) -> None:
        """Of each cluster at once, and wait for those that take their places."""
        for cluster in self.clusters:
            wait_for(lambda cluster=cluster: len(cluster.workers()) == WORKERS, message="they do not start")
            dead = set(cluster.workers())
            for pid in dead:
                os.kill(pid, signal.SIGKILL)
            wait_for(
                lambda cluster=cluster, dead=dead: len(set(cluster.workers()) - dead) == WORKERS,
                message="they are not replaced",
            )

    def supervise(self) -> None:
        """Start another where a main process has ended, as `Restart=always` does."""
        for index, cluster in enumerate(self.clusters):
            if cluster.returncode is not None:
                self.goes_on("replacing a cluster")
                self.clusters[index] = self._start()
                self.goes_on("waiting for the end of a dead cluster")
                cluster.close_when_empty()

    def stop(self) -> list[int]:
        """SIGTERM to the main processes, once they have got over the last victim; the exit codes."""
        self.goes_on("stopping clusters")
        for cluster in self.clusters:
            wait_for(lambda cluster=cluster: cluster.pids("sentinel"), message="no other sentinel was started")
        return [cluster.stop(timeout=30) for cluster in self.clusters]

    def close(self) -> None:
        for cluster in self.clusters:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(cluster.pid, signal.SIGKILL)
            cluster.close()

    def left_over(self) -> list[str]:
        """Processes that have this run's log in their environment, or are of a cluster's group."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                alive = process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid()
                command = process.cmdline()
                if alive and "lifeline.py" not in " ".join(command) and self._is_ours(process):
                    found.append(f"{process.pid} {' '.join(command)[:80]}")
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        log = self._env[LOG]
        return os.getpgid(process.pid) in self.groups or process.environ().get(LOG) == log


def _restart(server: PostgresServer, how: str) -> None:
    connection.close()
    server.kill() if how == "kill -9" else server.stop("immediate" if how == "immediate" else "fast")
    time.sleep(0.3)
    server.start()
