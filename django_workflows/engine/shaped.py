"""Readies turns to be written with others of their shape."""

from __future__ import annotations

from ..store.many_turns_sql import Shape, shape_of
from .in_flight import flights
from .pace import pace
from .turn import Turn


def shaped(turn: Turn, queue: str) -> Shape | None:
    """Finish a turn that stands alone; the shape in which it can be written with others, ``None`` if it cannot.

    The worker, which serves ``queue``, runs the next step itself if that is expected to be quick.
    """
    new_steps = turn.record.new_steps
    if (flights.is_open and all(map(flights.carries, new_steps))) or pace.is_quick_to_follow(new_steps):
        turn.pick(queue)
    record = turn.finish()
    # What is open when the workflow ends would have to be looked for.
    return shape_of(record) if record.ending is None or not turn.replay.open else None
