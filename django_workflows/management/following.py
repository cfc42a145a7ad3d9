"""Follows a workflow to its end: a live line on a terminal, a line per change elsewhere, or JSON lines."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db.models import Count

from ..core.blocked import Blocked
from ..core.journal import OPEN_STATES, WorkflowState
from ..core.progress import Progress, figure
from ..core.status import InProgress, WorkflowStatus
from ..core.timeline import human
from ..store.database import now
from ..words.masked import masked_text
from ..words.sentences import blocked_words, silence_words, state_words
from .documents import blocked_document, full_document, progress_document
from .journals import find, load, manager
from .parsing import INTERRUPTED
from .terminal import Terminal
from .texts import plural, preview, printable, short_name

#: Seconds until what changes without the workflow being written, a step's progress for one, is looked at again.
_REFRESH = 1.0
#: After this it is worth a word that nobody may be there to run the workflow.
_PATIENCE = timedelta(seconds=5)
_NAMED = 3


@dataclass(frozen=True)
class Change:
    """How a workflow stands: its open steps, what they reported, and how many steps are in which state."""

    state: str
    running: tuple[str, ...]
    blocked: Blocked | None
    progress: Mapping[str, Progress]
    steps: Mapping[str, int]


def follow(terminal: Terminal, workflow_id: UUID, timeout: timedelta | None, *, lines: bool) -> None:
    """Show every change until the workflow has ended, or for ``timeout`` at the most.

    Where JSON is wanted changes are shown as ``lines`` or not at all.
    """
    began, last, warned = time.monotonic(), None, False
    try:
        for change in _looks(workflow_id, timeout):
            elapsed = timedelta(seconds=time.monotonic() - began)
            if change != last or terminal.is_live:
                _show(terminal, workflow_id, change, elapsed, lines)
            last = change
            if not warned and elapsed > _PATIENCE:
                warned = True
                _warn(terminal, workflow_id)
    except KeyboardInterrupt:
        terminal.end_live()
        raise CommandError(
            f"Interrupted; the workflow goes on without you. See it again: manage.py workflows watch {workflow_id}",
            returncode=INTERRUPTED,
        ) from None


def _looks(workflow_id: UUID, timeout: timedelta | None) -> Iterator[Change]:
    """How the workflow stands: at each change, and once a second, since what its steps report changes nothing of it."""
    until = math.inf if timeout is None else time.monotonic() + timeout.total_seconds()
    while True:
        left = max(0.0, until - time.monotonic())
        for status in manager.watch(workflow_id, timeout=min(_REFRESH, left)):
            yield _change(workflow_id, status)
            if not isinstance(status, InProgress):
                return
        if not left:
            return


def _change(workflow_id: UUID, status: WorkflowStatus) -> Change:
    counts = _count_steps(workflow_id)
    if isinstance(status, InProgress):
        return Change(status.type, tuple(status.running), status.blocked, status.progress, counts)
    return Change(status.type, (), None, {}, counts)


def _warn(terminal: Terminal, workflow_id: UUID) -> None:
    """Say it if the workflow needs a worker and there seems to be none."""
    if not terminal.json:
        for sentence in silence_words(load(str(workflow_id), everything=False).silence):
            terminal.line(terminal.paint("warning", sentence))


def _count_steps(workflow_id: UUID) -> dict[str, int]:
    found = manager.steps(workflow_id).order_by().values_list("state").annotate(Count("id"))
    return dict(sorted(found))


def _show(terminal: Terminal, workflow_id: UUID, change: Change, elapsed: timedelta, lines: bool) -> None:
    if terminal.json:
        if lines:
            terminal.document(_change_document(workflow_id, change), compact=True)
        return
    words = f"{human(elapsed):>8}  {_words(change)}"
    if terminal.is_live and change.state == WorkflowState.IN_PROGRESS:
        terminal.live(words)
    else:
        terminal.line(terminal.paint(change.state, words))


def _change_document(workflow_id: UUID, change: Change) -> dict[str, Any]:
    document = {"at": now().isoformat(), "id": str(workflow_id), **asdict(change)}
    document["blocked"] = blocked_document(change.blocked)
    document["progress"] = {name: progress_document(each) for name, each in change.progress.items()}
    if change.state == WorkflowState.IN_PROGRESS:
        return document
    ended = full_document(find(str(workflow_id)))
    return {**document, "result": ended["result"], "error": ended["error"]}


def _words(change: Change) -> str:
    total = sum(change.steps.values())
    done = total - sum(change.steps.get(state, 0) for state in OPEN_STATES)
    parts = [state_words(change.state), f"{done:,} of {plural(total, 'step')} done"]
    if change.blocked is not None:
        parts.append(f"{blocked_words(change.blocked)}: {preview(masked_text(change.blocked.message))}")
    elif change.running:
        parts.append(_running(change))
    return ", ".join(parts)


def _running(change: Change) -> str:
    names = Counter(change.running)
    shown = [
        printable(short_name(name)) + (f" x {count:,}" if count > 1 else "") + _progress(change.progress.get(name))
        for name, count in list(names.items())[:_NAMED]
    ]
    more = [f"{len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    return "open: " + ", ".join(shown + more)


def _progress(progress: Progress | None) -> str:
    if progress is None:
        return ""
    done, total, message = progress
    share = figure(done) if total is None else f"{figure(done)} of {figure(total)}"
    return f" ({share}{' ' if message else ''}{printable(masked_text(message))})"
