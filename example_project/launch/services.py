"""The site and the cluster of the example project, running side by side for as long as a ``with`` block."""

import json
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.request import urlopen

from example_project.launch.background import Background, NotRunning, stop_all

START_TIMEOUT = 60.0
HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)


@dataclass(frozen=True)
class Services:
    """The running site, at ``url``, and the running cluster. ``logs`` is the folder of what they write."""

    site: Background
    cluster: Background
    url: str
    logs: Path

    def check(self) -> None:
        """Raise ``NotRunning`` if one of them has ended."""
        self.site.check()
        self.cluster.check()


@contextmanager
def running_services(host: str, port: int) -> Iterator[Services]:
    """Start site and cluster, and stop them at the end, after Ctrl-C and SIGTERM too (as ``KeyboardInterrupt``).

    Port 0 takes any free one. Raises ``NotRunning`` when one of them does not start. The logs are removed at the end
    unless there was an error.
    """
    port = bindable_port(host, port)
    url = f"http://{host}:{port}/"
    environment = {"WEATHER_SERVICE_URL": f"{url}service/", "SITE_URL": url, "LOG_LEVEL": "INFO"}
    logs = Path(tempfile.mkdtemp(prefix="weather-"))
    processes: list[Background] = []

    def start(name: str, *arguments: str) -> Background:
        process = Background(name, list(arguments), log=logs / f"{name}.log", environment=environment)
        processes.append(process)
        return process

    with signals_interrupt(), stopped_at_the_end(processes, logs):
        site = start("site", "runserver", "--noreload", f"{host}:{port}")
        cluster = start("cluster", "workflows", "cluster")
        site.wait_until(lambda: answers(f"{url}service/"), timeout=START_TIMEOUT)
        cluster.wait_until(lambda: "ready for work" in cluster.output(), timeout=START_TIMEOUT)
        yield Services(site, cluster, url, logs)


@contextmanager
def stopped_at_the_end(processes: Iterable[Background], logs: Path) -> Iterator[None]:
    """Stops the processes when the block ends, and removes their logs unless it ended with an error."""
    keep_logs = False
    try:
        yield
    except Exception:
        keep_logs = True
        raise
    finally:
        with signals_ignored():
            stop_all(processes)
        if not keep_logs:
            shutil.rmtree(logs, ignore_errors=True)


def bindable_port(host: str, port: int) -> int:
    """The port, or any free one for 0. Raises ``NotRunning`` when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise NotRunning(f"Cannot listen on {host}:{port}: {error.strerror}. Try another --port.") from error
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether the weather service answers there."""
    try:
        with urlopen(url, timeout=5) as response:
            return bool(json.load(response).get("service") == "weather")
    except (OSError, ValueError):
        return False


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP raise ``KeyboardInterrupt`` inside the block, as Ctrl-C does."""
    with handled({signal.SIGTERM: _interrupt, HANGUP: _interrupt, signal.SIGINT: _interrupt}):
        yield


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Nobody stops the stopping: an impatient second Ctrl-C would leave processes behind."""
    with handled(dict.fromkeys((signal.SIGTERM, HANGUP, signal.SIGINT), signal.SIG_IGN)):
        yield


@contextmanager
def handled(handlers: dict[signal.Signals, signal.Handlers | object]) -> Iterator[None]:
    """Sets signal handlers for the length of the block."""
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
