"""Which turns touch nothing but their own workflow and its steps, so that one statement writes them whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..conf import settings
from ..core.journal import StepKind
from ..store.prepared import in_one_statement

if TYPE_CHECKING:
    from .turn import Turn


def can_stand_alone() -> bool:
    """Whether the database writes what a worker does next in one statement, outside of any transaction."""
    return in_one_statement(outside=True)


def stands_alone(turn: Turn) -> bool:
    """Whether nothing is to be done in the same transaction with the writing of this turn."""
    record = turn.record
    if turn.needs_database or turn.continuing is not None or record.children or record.dropped or turn.definition.pool:
        return False
    if turn.workflow.journal_bytes + record.grown_bytes > 0.8 * settings.MAX_JOURNAL_BYTES:
        return False
    return record.ending is None or _only_ends(turn)


def _only_ends(turn: Turn) -> bool:
    """Whether the workflow's end concerns no callback, no parent and no child, and there is nothing to note of it."""
    alone = not turn.workflow.on_complete and turn.workflow.parent is None and not may_have_children(turn)
    return alone and not turn.never_awaited


def may_have_children(turn: Turn) -> bool:
    """Whether a child of an open step, or of one that was given up in this turn, may still run."""
    return bool(turn.record.dropped) or any(kind == StepKind.WORKFLOW for _, kind, _, _ in turn.replay.open.values())
