"""The one way in which tests wait: for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which what was waited for will never be. What a slow or busy machine needs is not what a test is about:
#: where a time is promised, that is asserted beside the wait.
PATIENCE = 60.0


def wait_for(condition: Callable[[], T], timeout: float = PATIENCE, *, message: str = "", interval: float = 0.02) -> T:
    """Call ``condition`` until what it returns is true, and return that.

    After ``timeout`` seconds it is an ``AssertionError`` with ``message`` and the last value. The condition is asked
    once more after the deadline, so a machine that stood still fails no test. What it raises passes through.
    """
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() >= deadline
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"{message or 'condition not met'} after {timeout} s, last value {value!r}")
        time.sleep(interval)
