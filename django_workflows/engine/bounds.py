"""What holds while a handler runs: a time limit, and that a turn which failed leaves no handler behind."""

from __future__ import annotations

from typing import Any

from ..conf import settings
from ..core.definitions import Definition
from ..exceptions import HandlerStuck
from .deadlines import DeadlineReached, deadline
from .live import LiveHandler, live_handlers

#: A worker that stands still in the middle of a turn is not its handler's fault.
_PARTS = 10


class closing_on_error:  # noqa: N801 - reads as a statement
    """Close a live handler whose turn failed: it has seen what was not written."""

    def __init__(self, live: LiveHandler) -> None:
        self._live = live

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            live_handlers.drop(self._live.workflow.id)
            self._live.replay.close()


class handler_limits:  # noqa: N801 - reads as a statement
    """While a handler runs: no database, and no longer than ``TURN_TIMEOUT``."""

    def __init__(self, definition: Definition[Any, Any]) -> None:
        self._definition = definition
        self._deadline = deadline(settings.TURN_TIMEOUT, parts=_PARTS)

    def __enter__(self) -> None:
        self._watch = self._deadline.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        try:
            self._deadline.__exit__(kind, error, traceback)
        except DeadlineReached as late:
            error = late
        if self._watch.interruption is not None:
            raise self._watch.interruption  # asyncio made it the handler's own failure
        if self._watch.reached:
            raise HandlerStuck(
                f"{self._definition.name} ran for {settings.TURN_TIMEOUT:g} s without waiting for anything. "
                "Is there an endless loop, or heavy work that belongs into a step? (TURN_TIMEOUT sets the limit.)"
            ) from error
