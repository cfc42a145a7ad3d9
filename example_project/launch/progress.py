"""Shows how far something is: one line that is drawn again on a terminal, a new line now and then elsewhere."""

import time
from typing import TextIO

WIDTH = 30
QUIET_SECONDS = 2.0


class Progress:
    """Draws ``done`` of ``total`` on ``out``."""

    def __init__(self, out: TextIO, total: int) -> None:
        self._out = out
        self._total = total
        self._live = out.isatty()
        self._shown = ""
        self._shown_at = 0.0

    def show(self, done: int, note: str) -> None:
        """Draw the state, unless nothing has changed."""
        text = f"{done:>4} of {self._total} reports{note}"
        if text == self._shown:
            return
        if self._live:
            filled = WIDTH * done // self._total
            self._out.write(f"\r\x1b[K  [{'#' * filled}{'.' * (WIDTH - filled)}] {text}")
        elif done == self._total or time.monotonic() - self._shown_at >= QUIET_SECONDS:
            self._out.write(f"  {text}\n")
            self._shown_at = time.monotonic()
        self._shown = text
        self._out.flush()

    def end(self) -> None:
        """Leave the line, so that what follows starts on a new one."""
        if self._live and self._shown:
            self._out.write("\n")
            self._out.flush()
