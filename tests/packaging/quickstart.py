"""Follows docs/quickstart.md in an empty folder, as a reader would, with a wheel in the place of the index.

Also a program, for a real installation from the index: ``python -m tests.packaging.quickstart WHEEL``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.docs.blocks import ROOT, Block, blocks_of, commands

PAGE = ROOT / "docs" / "quickstart.md"


class Reader:
    """Does what the page says in ``folder``; ``install(python)`` puts the package into the new environment."""

    def __init__(self, folder: Path, install: Callable[[Path], None], *, venv: Sequence[str] = ()) -> None:
        self._folder = folder / "quickstart"
        self._install = install
        self._venv = venv
        self._cluster: subprocess.Popen[bytes] | None = None
        #: What each command printed, in order.
        self.output: list[tuple[str, str]] = []

    def follow(self) -> None:
        try:
            for block in blocks_of(PAGE):
                typed = commands(block)
                assert block.file or typed, f"{block.place}: neither a file nor a command"
                self._write(block) if block.file else [self._type(command) for command in typed]
        finally:
            self._kill_cluster()

    def _write(self, block: Block) -> None:
        path = self._folder / block.file
        before = path.read_text(encoding="utf-8") if block.file.endswith("settings.py") else ""
        path.write_text(f"{before}\n{block.code}", encoding="utf-8")

    def _type(self, command: str) -> None:
        if command.startswith("mkdir"):
            self._folder.mkdir()
        elif command.startswith("python3 -m venv"):
            subprocess.run([sys.executable, "-m", "venv", *self._venv, self._folder / ".venv"], check=True)
        elif command.startswith("pip install"):
            self._install(self._folder / ".venv" / "bin" / "python")
        elif command.startswith("pkill"):
            self._kill_cluster()
        elif command.endswith("manage.py workflows cluster"):
            self._start_cluster()
        else:
            self._run(command)

    def _run(self, command: str) -> None:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        self.output.append((command, done.stdout))

    def _start_cluster(self) -> None:
        with (self._folder / "cluster.log").open("ab") as log:
            self._cluster = subprocess.Popen(
                [self._folder / ".venv" / "bin" / "python", "-u", "manage.py", "workflows", "cluster"],
                cwd=self._folder,
                env=self._environment(),
                start_new_session=True,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _kill_cluster(self) -> None:
        """All of its processes at once, and nobody else's."""
        if self._cluster is None:
            return
        os.killpg(self._cluster.pid, signal.SIGKILL)
        self._cluster.wait()
        self._cluster = None

    def _environment(self) -> dict[str, str]:
        kept = {
            key: value for key, value in os.environ.items() if not re.match("DJANGO|PYTHON|DATABASE_URL|VIRTUAL", key)
        }
        return {**kept, "PATH": f"{self._folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def main(wheel: str) -> None:
    """Install the wheel with all that it needs into an empty environment, and follow the page."""

    def install(python: Path) -> None:
        subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)

    folder, began = Path(tempfile.mkdtemp()), time.monotonic()
    try:
        reader = Reader(folder, install)
        reader.follow()
        for command, output in reader.output:
            print(f"$ {command}\n{output}")  # noqa: T201
    finally:
        shutil.rmtree(folder)
    print(f"The quickstart works ({time.monotonic() - began:.0f} s).")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
