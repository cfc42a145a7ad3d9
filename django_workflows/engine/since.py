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

    def seconds(self) -> float:
        """For how many seconds it has been running; 0 if it is not."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began
