"""How every engine's work is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], timeout: float = 120.0, pause: float = 0.01) -> None:
    """Wait until ``condition()`` holds, looking every ``pause`` seconds; ``TimeoutError`` after ``timeout``."""
    late = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > late:
            raise TimeoutError(f"not done after {timeout:g} s")
        time.sleep(pause)
