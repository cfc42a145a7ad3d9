"""Asserts that code still goes the way that a history went."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from ..core.definitions import Definition
from ..core.histories import History
from ..engine.histories import mismatch


def assert_replays(definition: Definition[Any, Any], history: History | str | PathLike[str]) -> None:
    """Replay a history, or the file that one was dumped to, against the code of ``definition``; no step is run.

    ``AssertionError``, which shows where they part, if the handler asks for other steps than were recorded, or ends
    otherwise.
    """
    source = ""
    if not isinstance(history, History):
        source, history = f" of {history}", History.load(Path(history).read_text(encoding="utf-8"))
    found = mismatch(definition, history)
    if found is not None:
        raise AssertionError(f"{definition.name} does not replay the history{source} ({history.workflow_id}): {found}")
