"""The guard: nothing it runs outlives the process that wanted it."""

import os
import signal
import subprocess
import sys
import textwrap
from uuid import uuid4

import pytest

from example_project.launch import guard
from tests.example.leftovers import processes_with
from tests.waiting import PATIENCE, wait_for

FAMILY = """
    import signal, subprocess, sys, time
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    time.sleep(60)
"""

OWNER = """
    import subprocess, sys, time
    subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, start_new_session=True)
    time.sleep(60)
"""


def start(mark: str, *arguments: str, grace: float = 10.0) -> subprocess.Popen[bytes]:
    family = [sys.executable, "-c", textwrap.dedent(FAMILY), *arguments]
    return subprocess.Popen(
        [sys.executable, guard.__file__, str(grace), *family],
        stdin=subprocess.PIPE,
        env={**os.environ, "MARK": mark},
        start_new_session=True,
    )


@pytest.fixture
def mark() -> str:
    return str(uuid4())


def test_closing_the_pipe_ends_the_command_and_its_children(mark: str) -> None:
    process = start(mark)
    wait_for(lambda: len(processes_with(mark)) == 3)
    process.communicate()
    wait_for(lambda: not processes_with(mark))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_command_and_its_children(mark: str, number: signal.Signals) -> None:
    process = start(mark)
    wait_for(lambda: len(processes_with(mark)) == 3)
    process.send_signal(number)
    process.wait(PATIENCE)
    wait_for(lambda: not processes_with(mark))
    process.communicate()


def test_a_command_that_ignores_the_request_is_killed(mark: str) -> None:
    process = start(mark, "stubborn", grace=0.2)
    wait_for(lambda: len(processes_with(mark)) == 3)
    process.communicate()
    wait_for(lambda: not processes_with(mark))


def test_the_death_of_the_owner_ends_everything(mark: str) -> None:
    guarded = [sys.executable, guard.__file__, "10", sys.executable, "-c", textwrap.dedent(FAMILY)]
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(OWNER), *guarded], env={**os.environ, "MARK": mark})
    wait_for(lambda: len(processes_with(mark)) == 4)
    owner.kill()
    owner.wait()
    wait_for(lambda: not processes_with(mark))


def test_the_exit_code_is_that_of_the_command() -> None:
    command = [sys.executable, guard.__file__, "10", sys.executable, "-c", "raise SystemExit(3)"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.wait(PATIENCE) == 3
    process.communicate()
