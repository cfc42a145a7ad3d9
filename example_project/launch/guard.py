"""Runs one command and makes sure that it, and all it started, is gone when the process that wanted it is gone.

Started as ``python guard.py SECONDS COMMAND ...`` with a pipe as standard input. When the pipe closes (its owner
closed it, or died in whatever way) or a signal arrives, the command's main process gets SIGTERM, and alone: a
django-q2 cluster whose workers are all signalled at once does not stop. After SECONDS, or when the command ended by
itself, whatever is left of its process group is killed. Standard library only, so that it starts at once.
"""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from threading import Event

POLL = 0.05


def main(grace: float, command: list[str]) -> int:
    """Run ``command`` until it ends or nobody wants it any more, and return its exit code."""
    asked_to_stop = Event()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while child.poll() is None and not asked_to_stop.is_set() and not owner_is_gone():
            pass
        end(child, grace)
    finally:
        kill_group(child.pid)
    return child.returncode


def owner_is_gone() -> bool:
    """Whether the pipe on standard input has closed. Waits a moment for that."""
    readable, _, _ = select.select([sys.stdin], [], [], POLL)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1024)


def end(child: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the child to end, unless it has; kill it after ``grace`` seconds."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def kill_group(group: int) -> None:
    """Kill every process of the group; there may be none left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
