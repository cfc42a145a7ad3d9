"""What a step call returns to the handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any

from .loop import ReplayFuture

if TYPE_CHECKING:
    from .replay import Replay


class StepFuture(ReplayFuture):
    """The outcome of step ``number``; canceling it drops the step.

    Whoever awaits it, asks to be called when it is done, or looks at what came of it, takes it from ``unawaited``.
    """

    number: int
    replay: Replay
    #: The task in which it was asked for.
    asker: asyncio.Task[Any] | None = None

    def __await__(self) -> Generator[Any, None, Any]:
        self.replay.unawaited.pop(self.number, None)
        return super().__await__()

    __iter__ = __await__

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        self.replay.unawaited.pop(self.number, None)
        super().add_done_callback(fn, context=context)

    def result(self) -> Any:
        self.replay.unawaited.pop(self.number, None)
        return super().result()

    def exception(self) -> BaseException | None:
        self.replay.unawaited.pop(self.number, None)
        return super().exception()

    def cancel(self, msg: Any | None = None) -> bool:
        self.replay.unawaited.pop(self.number, None)
        changed = super().cancel(msg)
        if changed:
            self.replay.drop(self.number)
        return changed
