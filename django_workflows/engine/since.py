"""How long something has been running, for a thread that looks at it from outside."""

from __future__ import annotations

import time


class Since:
    """Nothing is running at first."""

    def __init__(self) -> None:
        self._began: float | None = None

    def begin(self) -> None:
        self._began = time.monotonic()

    def end(self) -> None:
        self._began = None

    def longer_than(self, seconds: float) -> bool:
        """Whether it has been running for longer; False if nothing is running."""
        began = self._began
        return began is not None and time.monotonic() - began > seconds
