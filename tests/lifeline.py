"""A command that cannot outlive the process that started it, not even when that one is killed with -9.

The command runs below a small guardian (this file, as a script) whose standard input is a pipe from the owner. When the
pipe closes, because the owner let go or because it died, the guardian ends the command and all of its process group.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

KEEP = b"k"


class Lifeline:
    """One running command, in a session and process group of its own, its output appended to ``log``.

    ``end_signal`` is what the command gets when the lifeline is cut; what is left of its group ``grace`` seconds later
    is killed, and then the folder ``discard`` is deleted. ``uid`` runs the command as another user (and group of that
    number). Group members that outlive the command are left alone until the cut, so that a test can look at them.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        end_signal: signal.Signals = signal.SIGTERM,
        grace: float = 10.0,
        uid: int | None = None,
        discard: Path | None = None,
    ) -> None:
        order = {
            "command": [str(part) for part in command],
            "log": str(log),
            "signal": int(end_signal),
            "grace": grace,
            "uid": uid,
            "discard": str(discard) if discard else None,
        }
        # Unbuffered, because `returncode` asks select() whether there is something to read.
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
        self._grace = grace
        self._returncode: int | None = None
        answer = self._guardian.stdout.readline()
        if not answer.strip().isdigit():
            self.cut()
            raise OSError(f"{command[0]} could not be started, see {log}")
        self.pid = int(answer)

    @property
    def returncode(self) -> int | None:
        """How the command ended, as ``subprocess`` counts; ``None`` while it runs."""
        return self.wait(0)

    def wait(self, timeout: float) -> int | None:
        """Wait at most ``timeout`` seconds for the command to end, and say how it did; ``None`` if it still runs."""
        if self._returncode is None and select.select([self._guardian.stdout], [], [], timeout)[0]:
            self._returncode = int(self._guardian.stdout.readline() or -signal.SIGKILL)
        return self._returncode

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command itself, not to its group; nothing happens if it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def cut(self, *, keep: bool = False) -> None:
        """End the command and its group, and wait until that is done. Cutting twice is harmless.

        ``keep`` leaves the folder ``discard`` where it is.
        """
        if not self._guardian.stdin.closed:
            if keep:
                with contextlib.suppress(BrokenPipeError):
                    self._guardian.stdin.write(KEEP)
            self._guardian.stdin.close()
        try:
            self._guardian.wait(self._grace + 10)
        finally:
            self._guardian.kill()
            self._guardian.wait()
            if self._returncode is None:
                self.wait(0)
            self._guardian.stdout.close()


class _Guardian:
    def __init__(self, order: dict[str, object]) -> None:
        self.order = order
        self.ended = threading.Event()

    def run(self) -> None:
        user = {} if self.order["uid"] is None else {"user": self.order["uid"], "group": self.order["uid"]}
        with Path(self.order["log"]).open("ab") as log:
            self.command = subprocess.Popen(
                self.order["command"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                extra_groups=[] if user else None,
                **user,
            )
        os.write(1, b"%d\n" % self.command.pid)
        watcher = threading.Thread(target=self.watch)
        watcher.start()
        returncode = self.command.wait()
        self.ended.set()
        with contextlib.suppress(BrokenPipeError):
            os.write(1, b"%d\n" % returncode)
        watcher.join()

    def watch(self) -> None:
        said = sys.stdin.buffer.read()
        if not self.ended.is_set():
            self.command.send_signal(self.order["signal"])
            self.ended.wait(self.order["grace"])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.command.pid, signal.SIGKILL)
        self.ended.wait()
        if self.order["discard"] and said != KEEP:
            shutil.rmtree(self.order["discard"], ignore_errors=True)


if __name__ == "__main__":
    _Guardian(json.loads(sys.argv[1])).run()
