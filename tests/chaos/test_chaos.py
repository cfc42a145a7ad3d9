"""The short form of `make chaos`, and the proof that it has teeth."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DATABASE = "postgres" if os.environ.get("DJANGO_WORKFLOWS_TEST_DB") == "postgres" else "sqlite"


def chaos(*options: str) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own, with a database of its own."""
    command = [sys.executable, "-m", "tests.chaos", "--database", DATABASE, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)


def figure(output: str, name: str) -> int:
    return int(re.search(rf"^ *{name} +(\d+)", output, re.MULTILINE)[1])


def test_nothing_is_lost_and_nothing_doubled_whoever_is_killed() -> None:
    done = chaos("--workflows", "150", "--seed", "7", "--every", "0.7", "--spread", "8", "--patience", "180")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert figure(done.stdout, "workflows that reached their one right end") == 150
    assert figure(done.stdout, "victims") >= 4
    assert figure(done.stdout, "effects of mutations, exactly once") > 200


def test_a_cluster_that_wedges_is_caught() -> None:
    """With django-q2's own sentinel, whose workers have been killed while they were idle."""
    done = chaos(
        "--stock", "--workflows", "40", "--seed", "7", "--every", "0.2", "--spread", "1", "--seconds", "2",
        "--patience", "2", "--still", "1",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr[-3000:]
    assert "BROKEN workflows that reached their one right end" in done.stdout
    assert "--seed 7" in done.stdout
    assert "STANDS STILL: no workflow has begun or ended for 1 s" in done.stderr
    assert re.search(r"(parallel|sequential)-\d+ \S+ due \S+ s ago, claimed by ''", done.stderr), "what is waiting"
    assert "multiprocessing/queues.py" in done.stderr, "where its processes wait for ever"


@pytest.mark.parametrize(
    ("safeguard", "patience", "reported"),
    [
        # Long enough for all to end, so that what is wrong was doubled, and not only late.
        ("one-transaction", "40", r"BROKEN effects of mutations, exactly once: .*, 2\)"),
        ("recovery", "4", "BROKEN workflows that reached their one right end"),
    ],
)
def test_an_engine_that_lacks_something_is_caught(safeguard: str, patience: str, reported: str) -> None:
    few = ("--workflows", "150", "--seed", "7", "--every", "0.25", "--spread", "6", "--seconds", "8")
    done = chaos("--without", safeguard, "--patience", patience, *few)
    assert done.returncode == 1, done.stdout + done.stderr[-3000:]
    assert re.search(reported, done.stdout), done.stdout
