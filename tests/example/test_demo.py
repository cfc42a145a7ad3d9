"""``manage.py demo`` and ``manage.py serve`` as a user runs them: real processes, a real cluster."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest

from tests.example.leftovers import processes_with
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT = 300

pytestmark = [pytest.mark.cluster, pytest.mark.sqlite]


@pytest.fixture
def mark() -> str:
    return str(uuid4())


def manage(mark: str, folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """``manage.py`` with the example's settings, a fresh SQLite file, and a mark that all its children inherit."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(folder),  # for the logs, which stay after an error
            "MARK": mark,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
    )


def test_the_demo_runs_and_leaves_nothing_behind(tmp_path: Path, mark: str) -> None:
    process = manage(mark, tmp_path, "demo", "--cities", "4", "--timeout", "60", WEATHER_SERVICE_FAIL_EVERY="2")
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    assert re.search(r"^Paris +France +-?\d+\.\d +\d", output, re.MULTILINE), output
    assert re.search(r"^4 reports, 12 steps, [1-9]\d* retries in", output, re.MULTILINE), output
    assert "get_geocoding" in output
    assert "the second of 3 proposals was approved: " in output
    assert re.search(r"Norway -?\d+\.\d °C, Kenya \d+\.\d °C, There is no city of 'Atlantis' here", output), output
    assert re.search(r"canceled after \d+ of 365 days; after the clean-up 0 are left", output), output
    assert output.rstrip().endswith("Everything stopped.")
    assert not processes_with(mark)


def test_the_demo_runs_on_a_terminal_without_a_degree_sign(tmp_path: Path, mark: str) -> None:
    process = manage(mark, tmp_path, "demo", "--cities", "1", PYTHONIOENCODING="ascii")
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output


def test_the_demo_says_what_did_not_finish(tmp_path: Path, mark: str) -> None:
    process = manage(mark, tmp_path, "demo", "--cities", "2", WEATHER_SERVICE_FAIL_EVERY="1")
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, output
    assert "2 workflows did not complete" in output
    assert "geocode answered 503" in output
    assert "end of" in output
    assert not processes_with(mark)


def test_the_demo_refuses_more_cities_than_there_are(tmp_path: Path, mark: str) -> None:
    process = manage(mark, tmp_path, "demo", "--cities", "100000")
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert "--cities must be between 1 and" in output


@pytest.mark.parametrize("moment", ["Starting", "Running"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_demo_leaves_nothing_behind(
    tmp_path: Path, mark: str, moment: str, number: signal.Signals
) -> None:
    process = manage(mark, tmp_path, "demo", "--cities", "300")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(moment):
            break
    wait_for(lambda: len(processes_with(mark)) > 3)
    process.send_signal(number)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == (-number if number == signal.SIGKILL else 130), output
    wait_for(lambda: not processes_with(mark))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_a_login_and_stops_on_request(tmp_path: Path, mark: str, number: signal.Signals) -> None:
    process = manage(mark, tmp_path, "serve", "--port", "0")
    assert process.stdout is not None
    shown = ""
    for line in process.stdout:
        shown += line
        if "Ctrl-C" in line:
            break
    site = re.search(r"Site +(http://127\.0\.0\.1:\d+/)", shown)
    assert site, shown + process.stdout.read()
    assert re.search(r"login: admin +password: \S{12}", shown)
    with urlopen(site[1], timeout=60) as response:
        assert "How warm is it" in response.read().decode()
    process.send_signal(number)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    assert "Everything was stopped." in output
    assert not processes_with(mark)
