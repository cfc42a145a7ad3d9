"""How values and foreign texts are shown in one line of an error, and made fit to be stored."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from typing import Any

PREVIEW_LIMIT = 80
POINTER_LIMIT = 120

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def sanitize_text(text: str, limit: int) -> str:
    """``text`` as every database takes it, in at most ``limit`` characters.

    NUL and lone surrogates become U+FFFD. What is too long loses its middle, and a note says how much is missing:
    the beginning and the end of an error or a traceback say most.
    """
    text = _UNSTORABLE.sub("\ufffd", text)
    if len(text) <= limit:
        return text
    # The note for all of the text is as long as the note for any part of it can get.
    room = limit - len(_note(len(text)))
    if room <= 0:
        return text[: max(limit, 0)]
    head, tail = (room + 1) // 2, room // 2
    return text[:head] + _note(len(text) - room) + text[len(text) - tail :]


def _note(count: int) -> str:
    return f" [... {count} characters left out ...] "


def one_line(text: str, limit: int) -> str:
    """``text`` with every run of white space made one blank, and sanitized."""
    return sanitize_text(" ".join(text[: limit * 4].split()), limit)


def preview(value: Any, limit: int = PREVIEW_LIMIT) -> str:
    """A short ``repr`` that never raises, and does not read all of a large builtin value."""
    try:
        return one_line(_shortened.repr(value), limit)
    except BaseException:  # noqa: BLE001 - a user's __repr__ may do anything
        return f"<{type(value).__name__}>"


def pointer(path: Sequence[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of ``path``, cut in the middle when it is long; "" is the whole value."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return one_line("".join(f"/{part}" for part in parts), POINTER_LIMIT)


_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = _shortened.maxlong = PREVIEW_LIMIT
_shortened.maxlevel = 3
