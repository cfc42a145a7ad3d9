"""What this worker knows to fall due in a moment, so that it does not go to sleep just before."""

from __future__ import annotations

import time


class Soon:
    """The instant at which something falls due that nobody was told of."""

    def __init__(self) -> None:
        self._at = 0.0

    def expect(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def wait(self) -> bool:
        """Sleep until what was expected last is due; False, at once, if nothing is expected."""
        left, self._at = self._at - time.monotonic(), 0.0
        if left <= 0:
            return False
        time.sleep(left)
        return True


soon = Soon()
