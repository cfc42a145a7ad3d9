"""Takes a traceback apart, so that the frames of the project's own code come first."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from .payloads import safe_text

_FRAME = re.compile(r'^  File "(?P<file>[^"]*)", line (?P<line>\d+), in (?P<function>.*)$')
_NOT_OURS = re.compile(r"site-packages|dist-packages|[/\\]lib[/\\]python\d|<frozen|[/\\]django_workflows[/\\]")
#: So many frames of the project are shown before the whole traceback.
FRAMES = 3


def _short(file: str) -> str:
    """A path as it is imported from."""
    roots = [root for root in sys.path if root and file.startswith(root.rstrip("/") + "/")]
    return file[len(max(roots, key=len).rstrip("/")) + 1 :] if roots else file


@dataclass(frozen=True)
class Frame:
    """One call: where it is, and its line of code."""

    file: str
    line: str
    function: str
    code: str


@dataclass(frozen=True)
class Traceback:
    """The project's own frames, innermost first, and the text as Python wrote it."""

    frames: tuple[Frame, ...]
    text: str


def traceback_of(text: str) -> Traceback | None:
    """``None`` for an error that has no traceback."""
    if not text.strip():
        return None
    shown = safe_text(text)
    found: list[Frame] = []
    lines = shown.splitlines()
    for index, line in enumerate(lines):
        matched = _FRAME.match(line)
        if matched and not _NOT_OURS.search(matched["file"]):
            code = lines[index + 1].strip() if index + 1 < len(lines) and lines[index + 1].startswith("    ") else ""
            found.append(Frame(_short(matched["file"]), matched["line"], matched["function"], code))
    return Traceback(tuple(reversed(found))[:FRAMES], shown)
