"""Begins a workflow anew in its own place, for handlers that go on for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..store import continuations
from . import announce
from .dispatch import wake
from .ends import TurnVoid
from .pools import free_place

if TYPE_CHECKING:
    from .turn import Turn


def continue_as_new(turn: Turn, args: str) -> None:
    """Write a turn that ended by ``step.continue_as_new``, in the caller's transaction; ``TurnVoid`` if it is void."""
    turn.replay.close()
    announce.never_awaited(turn.workflow.id, turn.workflow.name, turn.never_awaited, "continued as new")
    if not continuations.begin_anew(turn.record, args):
        raise TurnVoid
    free_place(turn.definition.pool)
    wake(turn.workflow.queue)
