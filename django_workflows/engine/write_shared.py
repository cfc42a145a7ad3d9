"""Writes turns in a transaction that they share with what their steps have written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.journal import ClaimedStep
from ..core.signatures import Signature
from ..store.many_turns import write_turns
from ..store.many_turns_sql import Shape
from .after_turn import after_writing
from .alone import stands_alone
from .pace import pace
from .shaped import shaped
from .turn import Turn


class Apart(Exception):
    """Nothing was written: each of what would share a transaction is to have one of its own."""


def may_be_among_others(fn: Callable[..., Any], path: str) -> bool:
    """Whether a step's function, of that dotted path, may share its transaction, as far as can be known of itself."""
    return pace.is_quick(path) and not Signature.of(fn).is_coroutine  # one that is interrupted lives on


def shape_of_shared(turn: Turn, queue: str) -> Shape | None:
    """The shape in which this turn is written with others; ``None``: by itself, and others take what follows.

    ``queue`` is the one that this worker serves.
    """
    if not stands_alone(turn):
        return None
    shape = shaped(turn, queue)
    if shape is None:
        turn.unpick()
    return shape


def write_group(shape: Shape, turns: Sequence[Turn]) -> list[ClaimedStep]:
    """Write turns of one shape; the steps that this worker runs next. ``Apart`` unless all of them hold."""
    written = write_turns(shape, [turn.record for turn in turns])
    if written is None or len(written) < len(turns):
        raise Apart
    mine = [after_writing(turn, *written[turn.workflow.id]) for turn in turns]
    return [each for each in mine if each is not None]
