"""Nothing that a test starts outlives the tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import is_alive
from tests.lifeline import Lifeline
from tests.waiting import PATIENCE, wait_for

ROOT = Path(__file__).parent.parent
# A command with a child in its group; both ignore SIGTERM. The last line of its output is the child's process id.
STUBBORN = ["sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait; wait"]
OWNER = """
import pathlib, sys, time
from tests.lifeline import Lifeline
lifeline = Lifeline(sys.argv[2:], log=pathlib.Path(sys.argv[1]), grace=0.1)
print(lifeline.pid, flush=True)
time.sleep(1000)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "command.log"


def child_of_stubborn(log: Path) -> int:
    return int(wait_for(lambda: log.exists() and log.read_text().strip()))


def test_cut_kills_the_whole_group(log: Path) -> None:
    lifeline = Lifeline(STUBBORN, log=log, grace=0.1)
    child = child_of_stubborn(log)
    lifeline.cut()
    assert not is_alive(lifeline.pid)
    wait_for(lambda: not is_alive(child), message="the child is an orphan")
    assert lifeline.returncode == -signal.SIGKILL


def test_command_ends_when_its_owner_is_killed(log: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(log), *STUBBORN]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as owner:
        pid = int(owner.stdout.readline())
        child = child_of_stubborn(log)
        owner.kill()
    wait_for(lambda: not is_alive(pid) and not is_alive(child), message="the command is an orphan")


def test_a_graceful_end_is_told_with_its_code(log: Path) -> None:
    lifeline = Lifeline(["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.01; done"], log=log)
    assert lifeline.returncode is None
    lifeline.cut()
    assert lifeline.returncode in {7, -signal.SIGTERM}  # the signal may come before the trap is set


def test_orphans_live_until_the_cut(log: Path) -> None:
    lifeline = Lifeline(STUBBORN, log=log)
    child = child_of_stubborn(log)
    os.kill(lifeline.pid, signal.SIGKILL)
    assert lifeline.wait(PATIENCE) == -signal.SIGKILL
    assert is_alive(child)
    lifeline.cut()
    wait_for(lambda: not is_alive(child))


def test_a_command_that_cannot_start_is_an_error(log: Path) -> None:
    with pytest.raises(OSError, match="could not be started"):
        Lifeline(["/no/such/command"], log=log)
