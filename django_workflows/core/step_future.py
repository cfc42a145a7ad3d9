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
    """The outcome of step ``number``; canceling it drops the step."""

    number: int
    replay: Replay
    #: The task in which it was asked for.
    asker: asyncio.Task[Any] | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        changed = super().cancel(msg)
        if changed:
            self.replay.drop(self.number)
        return changed


class UnawaitedFuture(StepFuture):
    """One that nobody has awaited yet, as each is at first.

    Whoever awaits it, asks to be called when it is done, or looks at what came of it, takes it from ``unawaited`` and
    makes it an ordinary one, whose methods are asyncio's own, in C.
    """

    def _is_awaited(self) -> None:
        self.replay.unawaited.pop(self.number, None)
        self.__class__ = StepFuture  # type: ignore[assignment]

    def __await__(self) -> Generator[Any, None, Any]:
        # As ``_is_awaited``, without another call: each step comes here.
        self.replay.unawaited.pop(self.number, None)
        self.__class__ = StepFuture  # type: ignore[assignment]
        return self.__await__()

    __iter__ = __await__

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        self._is_awaited()
        self.add_done_callback(fn, context=context)

    def result(self) -> Any:
        self._is_awaited()
        return self.result()

    def exception(self) -> BaseException | None:
        self._is_awaited()
        return self.exception()

    def cancel(self, msg: Any | None = None) -> bool:
        self._is_awaited()
        return self.cancel(msg)
