"""Where a verb writes: lines for people, with colours and a live line on a terminal only, or JSON for programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

from django.core.management.base import OutputWrapper
from django.core.management.color import Style

from .texts import fit

#: Columns where nobody says how wide the output is.
_COLUMNS = 100
_NARROWEST = 60

_ROLES = {
    "title": "MIGRATE_LABEL",
    "completed": "SUCCESS",
    "failed": "ERROR",
    "lost": "ERROR",
    "canceled": "WARNING",
    "blocked": "WARNING",
    "warning": "WARNING",
    "in_progress": "HTTP_NOT_MODIFIED",
    "running": "HTTP_NOT_MODIFIED",
}


class Terminal:
    """The output of one command. ``json`` is what the user wants to get."""

    def __init__(self, out: OutputWrapper, style: Style, *, json: bool, color: bool) -> None:
        self.json = json
        self._out = out
        self._style = style if color or out.isatty() else None
        self._live = ""

    @property
    def is_live(self) -> bool:
        """Whether a line can be drawn again."""
        return bool(self._out.isatty()) and not self.json

    @property
    def columns(self) -> int:
        return max(_NARROWEST, shutil.get_terminal_size((_COLUMNS, 24)).columns)

    def can_show(self, characters: str) -> bool:
        """Whether the output's encoding has these characters."""
        try:
            characters.encode(getattr(self._out, "encoding", None) or "utf-8")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def paint(self, role: str, text: str) -> str:
        """``text`` in the colour of a state or role, where there are colours."""
        if self._style is None or role not in _ROLES:
            return text
        paint: Callable[[str], str] = getattr(self._style, _ROLES[role])
        return paint(text)

    def line(self, text: str = "") -> None:
        """Write a line; what the encoding of the output lacks is escaped."""
        self.end_live()
        self._out.write(text if self.can_show(text) else text.encode("ascii", "backslashreplace").decode("ascii"))

    def live(self, text: str) -> None:
        """Draw ``text`` over what was drawn so before, if this is a terminal."""
        if self.is_live and text != self._live:
            self._live = text
            self._out.write(f"\r\x1b[K{fit(text, self.columns - 1)}", ending="")
            self._out.flush()

    def end_live(self) -> None:
        """Take the live line away."""
        if self._live:
            self._live = ""
            self._out.write("\r\x1b[K", ending="")

    def document(self, data: Any, *, compact: bool = False) -> None:
        """Write JSON in ASCII: all that there is, or with ``compact`` one line of several."""
        self._out.write(json.dumps(data, indent=None if compact else 2))
        self._out.flush()
