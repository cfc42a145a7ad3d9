"""Leads handlers on without a lock: nothing is written yet, and a fence says whether what was read still holds."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.journal import StepRecord, WorkflowRecord
from ..core.registry import registry
from ..store.database import clock
from ..store.many_journals import Beyond, load_many
from .bounds import closing_on_error, handler_limits
from .ends import TurnVoid
from .live import LiveHandler, live_handlers, new_replay
from .turn import Turn

#: Journals of more bytes than this are read by themselves, so that nobody waits for a long replay.
_SHORT = 1 << 16


class Due:
    """A workflow that was claimed for a further turn, what its journal has to tell, and the handler that hears it."""

    def __init__(self, claimed: WorkflowRecord) -> None:
        self.claimed = claimed
        self.live = live_handlers.peek(claimed.id)
        if self.live is not None and self.live.workflow.generation != claimed.generation:
            self.live = None
        self.records: Sequence[StepRecord] = ()

    @property
    def beyond(self) -> Beyond:
        if self.live is None:
            return Beyond(self.claimed.id)
        replay = self.live.replay
        return Beyond(self.claimed.id, replay.next_number, tuple(replay.open), replay.delivered)

    def take(self) -> LiveHandler:
        """The handler, whose only user is the caller from now on. ``TurnVoid`` if it went away meanwhile."""
        live = live_handlers.take(self.claimed)
        if live is not self.live:
            if live is not None:
                live.replay.close()
            raise TurnVoid
        if live is not None:
            return live
        definition = registry.get(self.claimed.name)
        if definition is None:
            raise TurnVoid
        return LiveHandler(new_replay(definition, self.claimed), self.claimed)


def is_led_together(claimed: WorkflowRecord) -> bool:
    """Whether a workflow that was claimed may be led beside others: not if that would take long, or needs a lock."""
    return claimed.cancel_requested_at is None and (claimed.started_at is None or claimed.journal_bytes <= _SHORT)


def read_due(claimed: Sequence[WorkflowRecord]) -> list[Due]:
    """What there is for each of these workflows, which had turns before, read together."""
    due = [Due(each) for each in claimed]
    records = load_many([each.beyond for each in due]) if due else {}
    for each in due:
        each.records = records[each.claimed.id]
    return due


def lead_first(claimed: WorkflowRecord) -> Turn:
    """Begin the handler of a workflow as it was claimed. ``TurnVoid`` if that needs a lock."""
    definition = registry.get(claimed.name)
    if definition is None or claimed.cancel_requested_at is not None:
        raise TurnVoid
    live_handlers.drop(claimed.id)
    at = clock.estimate()
    live = LiveHandler(new_replay(definition, claimed, at), claimed)
    turn = Turn(claimed, live, at)
    with closing_on_error(live), handler_limits(definition):
        live.replay.catch_up((), fresh=True, reopened=claimed.reopened)
        turn.absorb()
    return turn


def lead_due(due: Due) -> Turn:
    """Hand the handler of a workflow that was claimed what its journal has for it. ``TurnVoid`` if that needs a lock.

    The journal was read after the claim. Should anything be written between the two, or until the turn is written, the
    turn is void: whoever wrote has counted the workflow's version up.
    """
    claimed, live = due.claimed, due.take()
    turn = Turn(claimed, live, clock.estimate())
    turn.record.exact = True
    with closing_on_error(live), handler_limits(turn.definition):
        live.replay.catch_up(due.records, reopened=claimed.reopened)
        turn.absorb()
        turn.deliver_recorded(due.records)
    return turn
