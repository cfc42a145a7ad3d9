"""Real ``qcluster`` processes for tests, on the test database of the pytest process."""

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import connection

from tests.lifeline import Lifeline
from tests.waiting import PATIENCE, wait_for

ROOT = Path(__file__).parent.parent
RUNNING = re.compile(r"Q Cluster .* running\.")
READY = re.compile(r"ready for work at (\d+)")
#: What the processes of a hardened cluster say of themselves.
HARDENED = ("workflows", "cluster")
ROLES = {
    "worker": READY,
    "pusher": re.compile(r"pushing tasks at (\d+)"),
    "monitor": re.compile(r"monitoring at (\d+)"),
    "sentinel": re.compile(r"Process (\d+) guarding"),
}


class Cluster:
    """A cluster: its main process (``pid``) with everything below it, ready for work when the constructor returns.

    ``q`` is laid over ``Q_CLUSTER``, ``workflows`` is its ``DJANGO_WORKFLOWS``, ``env`` goes into its environment.
    """

    def __init__(
        self,
        log_path: Path,
        *,
        command: tuple[str, ...] = ("qcluster",),
        q: Mapping[str, Any] | None = None,
        workflows: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> None:
        self.log_path = log_path
        self._lifeline = Lifeline(
            [sys.executable, "manage.py", *command],
            log=log_path,
            env=_environment(q or {}, workflows, env or {}),
            cwd=ROOT,
            grace=5,
        )
        self._size = (q or {}).get("workers", settings.Q_CLUSTER["workers"])
        try:
            wait_for(self._ready, timeout, message="the cluster is not ready")
        except AssertionError as error:
            self.close()
            raise AssertionError(f"{error}\n{self.log}") from None

    @property
    def pid(self) -> int:
        return self._lifeline.pid

    @property
    def log(self) -> str:
        """Everything that its processes have said so far."""
        return self.log_path.read_text(errors="replace")

    @property
    def returncode(self) -> int | None:
        """How the main process ended, as ``subprocess`` counts; ``None`` while it runs."""
        return self._lifeline.returncode

    def workers(self) -> list[int]:
        """The process ids of the workers that are alive, oldest first."""
        return self.pids("worker")

    def pids(self, role: str) -> list[int]:
        """The process ids of those of a role that are alive, oldest first; a sentinel tells its own when hardened."""
        if role == "main":
            return [self.pid] if self.returncode is None else []
        return [pid for pid in map(int, ROLES[role].findall(self.log)) if is_alive(pid)]

    def processes(self) -> list[psutil.Process]:
        """Every process of the cluster that is alive, orphans too."""
        return [each for each in psutil.process_iter() if _group(each.pid) == self.pid and is_alive(each.pid)]

    def kill_worker(self, pid: int | None = None) -> int:
        """``kill -9`` this worker, or the oldest one; gives its process id when it is dead."""
        pid = pid or self.workers()[0]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), message=f"worker {pid} survived kill -9")
        return pid

    def kill(self) -> None:
        """``kill -9`` every process of the cluster at once, as a power cut does."""
        os.killpg(self.pid, signal.SIGKILL)
        wait_for(lambda: not self.processes(), message="the cluster survived kill -9")

    def stop(self, timeout: float = PATIENCE) -> int:
        """SIGTERM to the main process, as an administrator does; gives its exit code when all processes are gone."""
        self._lifeline.send(signal.SIGTERM)
        wait_for(lambda: not self.processes(), timeout, message="the cluster does not end")
        return wait_for(lambda: (self.returncode,) if self.returncode is not None else None, timeout)[0]

    def close(self) -> None:
        """End it in any case: SIGTERM to the main process, and five seconds later SIGKILL to the rest."""
        self._lifeline.cut()
        wait_for(lambda: not self.processes(), message="processes of the cluster are left")

    def close_when_empty(self) -> None:
        """Its main process has ended: let the rest end by itself, for as long as it takes, and clear away after it."""
        wait_for(lambda: not self.processes(), message="a dead cluster's processes are left")
        self._lifeline.cut()

    def _ready(self) -> bool:
        if self.returncode is not None:
            raise AssertionError(f"the cluster ended with {self.returncode} before it was ready")
        others = all(self.pids(role) for role in ("pusher", "monitor"))
        return bool(RUNNING.search(self.log)) and others and len(self.workers()) >= self._size


def is_alive(pid: int) -> bool:
    """Whether this process exists and is not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _environment(q: Mapping[str, Any], workflows: Mapping[str, Any] | None, env: Mapping[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DJANGO_WORKFLOWS_TEST_DB_NAME": str(connection.settings_dict["NAME"]),
        "DJANGO_WORKFLOWS_TEST_Q": json.dumps(settings.Q_CLUSTER | q),
        "DJANGO_WORKFLOWS_TEST_SETTINGS": json.dumps(settings.DJANGO_WORKFLOWS if workflows is None else workflows),
        "DJANGO_WORKFLOWS_TEST_LOG_LEVEL": "INFO",
        "PYTHONUNBUFFERED": "1",
        **env,
    }
