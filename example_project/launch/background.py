"""Starts ``manage.py`` commands in the background, and stops them with all their children."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from example_project.launch import guard

MANAGE_PY = Path(__file__).resolve().parent.parent.parent / "manage.py"
GRACE = 10.0  # seconds that a process gets to end by itself
POLL = 0.05


class NotRunning(Exception):
    """A background process ended, or did not get ready in time. The text has the end of its log."""


class Background:
    """One ``manage.py`` command and its log. Its process group ends when this process ends, in whatever way."""

    def __init__(self, name: str, arguments: list[str], *, log: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.log = log
        command = [sys.executable, guard.__file__, str(GRACE), sys.executable, str(MANAGE_PY), *arguments]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                start_new_session=True,  # so that Ctrl-C reaches this process only, which then stops the others
            )

    def check(self) -> None:
        """Raise ``NotRunning`` if the process has ended."""
        if self._process.poll() is not None:
            raise NotRunning(f"The {self.name} ended with code {self._process.returncode}.\n{self.tail()}")

    def wait_until(self, ready: Callable[[], bool], *, timeout: float) -> None:
        """Wait for ``ready()``; ``NotRunning`` when the process ends before that, or after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise NotRunning(f"The {self.name} was not ready after {timeout:.0f} s.\n{self.tail()}")
            time.sleep(POLL)

    def output(self) -> str:
        """What the process has written so far."""
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 30) -> str:
        """The end of what the process has written, with a heading."""
        return "\n".join([f"--- {self.name}, end of {self.log}", *self.output().splitlines()[-lines:], "---"])

    def ask_to_stop(self) -> None:
        """Ask the process to end; returns at once."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait_stopped(self) -> None:
        """Wait until the process and its children are gone."""
        try:
            self._process.wait(GRACE + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def stop_all(processes: Iterable[Background]) -> None:
    """Stop them all at the same time, and wait until they are gone."""
    stopping = list(processes)
    for process in stopping:
        process.ask_to_stop()
    for process in stopping:
        process.wait_stopped()
