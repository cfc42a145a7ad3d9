"""What this worker knows to fall due in a moment, so that it does not go to sleep just before."""

from __future__ import annotations

import time

_expected_at = 0.0


def expect(seconds: float) -> None:
    """Something falls due in that many seconds, of which nobody was told."""
    global _expected_at
    _expected_at = time.monotonic() + seconds


def wait() -> bool:
    """Sleep until what was expected last is due; False, at once, if nothing is expected."""
    global _expected_at
    left, _expected_at = _expected_at - time.monotonic(), 0.0
    if left <= 0:
        return False
    time.sleep(left)
    return True
