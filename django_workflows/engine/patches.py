"""Says which branch of each ``step.patched`` the workflows in progress take, and whose old branch none needs."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from ..core.histories import History
from ..core.journal import StepKind
from ..core.registry import registry
from ..exceptions import WorkflowError, WorkflowNotFound
from ..store.listings import in_progress
from .histories import lead, read_history, replay_of
from .sketch import Visible


@dataclass(frozen=True, slots=True)
class PatchUse:
    """What the workflows in progress of one definition make of one patch.

    ``old`` and ``new`` count those that take the branch of False and of True; ``ahead`` those that have not come to the
    patch, and will take the new branch when they do; ``unclear`` those whose journal does not replay with this code,
    so that it cannot be known. ``removable``: no journal in progress needs the old branch.
    """

    name: str
    patch: str
    old: int
    new: int
    ahead: int
    unclear: int
    removable: bool


@dataclass(frozen=True, slots=True)
class PatchReport:
    """The patches that journals in progress have met, by name of the definition and patch.

    ``examined`` journals were replayed. Where ``whole`` is false there are more, and nothing is called removable.
    """

    uses: tuple[PatchUse, ...]
    examined: int
    whole: bool


@dataclass(frozen=True, slots=True)
class _Decided:
    """What is decided in one journal; ``to_the_end``: it was replayed to its end, so that nothing else is."""

    patches: Mapping[str, bool]
    to_the_end: bool


def patch_report(
    *, name: str | None = None, limit: int | None = None, seconds: float | None = None, visible: Visible | None = None
) -> PatchReport:
    """Replay the journals in progress, newest first, with the code of this process; ``limit`` of them at the most.

    After ``seconds`` no other one is begun.

    Only those of the definition ``name``, if given. Each is read as it is at one moment; no step is run, and nothing is
    written. A patch that no journal in progress has come to is not listed. ``visible`` leaves out those that do not
    exist for whoever asks, and then nothing is called removable: one of them may need the old branch.
    """
    found: dict[str, list[_Decided]] = {}
    examined, whole = 0, visible is None
    until = math.inf if seconds is None else time.monotonic() + seconds
    for workflow_id in in_progress(name):
        if (limit is not None and examined >= limit) or time.monotonic() > until:
            whole = False
            break
        history = _read(workflow_id) if visible is None or visible([workflow_id]) else None
        if history is not None:
            examined += 1
            found.setdefault(history.name, []).append(_decided(history))
    uses = [use for each in sorted(found) for use in _uses(each, found[each], whole)]
    return PatchReport(tuple(uses), examined, whole)


def _read(workflow_id: UUID) -> History | None:
    """``None`` if the workflow has ended, or was cleaned up, meanwhile."""
    try:
        history = read_history(workflow_id)
    except WorkflowNotFound:
        return None
    return history if history.state == "in_progress" else None


def _decided(history: History) -> _Decided:
    markers = {step.name: True for step in history.steps if step.kind == StepKind.PATCH}
    definition = registry.get(history.name)
    if history.started_at is None or definition is None:
        return _Decided(markers, history.started_at is None)
    replay = replay_of(definition, history)
    try:
        lead(replay, history)
        return _Decided(replay.script.patches, True)
    except WorkflowError:
        return _Decided({**replay.script.patches, **markers}, False)
    finally:
        replay.close()


def _uses(name: str, journals: list[_Decided], whole: bool) -> Iterator[PatchUse]:
    for patch in sorted({patch for journal in journals for patch in journal.patches}):
        counts = Counter(_word(journal, patch) for journal in journals)
        yield PatchUse(
            name=name,
            patch=patch,
            old=counts["old"],
            new=counts["new"],
            ahead=counts["ahead"],
            unclear=counts["unclear"],
            removable=whole and not counts["old"] and not counts["unclear"],
        )


def _word(journal: _Decided, patch: str) -> str:
    if patch in journal.patches:
        return "new" if journal.patches[patch] else "old"
    return "ahead" if journal.to_the_end else "unclear"
