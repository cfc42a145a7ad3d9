"""What a step call returns to the handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .loop import ReplayFuture

if TYPE_CHECKING:
    from .replay import Replay


class StepFuture(ReplayFuture):
    """The outcome of step ``number``; canceling it drops the step."""

    number: int
    replay: Replay

    def cancel(self, msg: Any | None = None) -> bool:
        changed = super().cancel(msg)
        if changed:
            self.replay.drop(self.number)
        return changed
