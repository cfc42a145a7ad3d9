"""What is promised to take less than some time, asserted on any machine: one that is slow or busy has more of it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: A small piece of work, and the seconds that it takes, with half as many again, on a machine with nothing else to do.
PROBE = [sys.executable, "-I", "-c", "import asyncio"]
USUAL = 0.06


@contextmanager
def promise(seconds: float) -> Iterator[None]:
    """The body takes less than ``seconds``, on a machine that has nothing else to do; see ``slowness``."""
    began = time.monotonic()
    with slowness() as slower:
        yield
        took = time.monotonic() - began
    assert took < seconds * slower(), f"{took:.2f} s, not {seconds} s, on a machine {slower():.1f} times slower"


@contextmanager
def slowness() -> Iterator[Callable[[], float]]:
    """How many times longer than usual a small piece of work took, the worst one in the body; at least 1.

    A machine with nothing else to do is given no moment more than was promised.
    """
    over, samples = threading.Event(), [_sample()]

    def watch() -> None:
        while not over.wait(0.5):
            samples.append(_sample())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: max(1.0, max(samples) / USUAL)
    finally:
        over.set()
        watcher.join()
        samples.append(_sample())


def _sample() -> float:
    began = time.monotonic()
    subprocess.run(PROBE, check=True)
    return time.monotonic() - began
