"""What a handler gets in place of randomness and logging of its own: the same, or nothing, on every replay."""

from __future__ import annotations

import logging
import random
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .replay import Replay


class Sources:
    """Randomness and logging of one live handler, shared by all contexts derived from its first."""

    def __init__(self, replay: Replay) -> None:
        seed = f"{replay.workflow_id.hex}:{replay.continuations}" if replay.continuations else replay.workflow_id.hex
        # Not for secrets: it must give the same numbers to every replay.
        self.random = random.Random(f"{seed}:random")  # noqa: S311
        self.ids = random.Random(f"{seed}:ids")  # noqa: S311
        handler = replay.definition.handler
        self.logger = _ReplayLogger(replay, logging.getLogger(handler.__module__))


class _ReplayLogger(logging.LoggerAdapter[logging.Logger]):
    def __init__(self, replay: Replay, logger: logging.Logger) -> None:
        super().__init__(logger, {"workflow_id": str(replay.workflow_id), "workflow": replay.definition.name})
        self._replay = replay

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's own name
        return not self._replay.replaying and not self._replay.detached and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        # LoggerAdapter's own puts its extras in the place of the caller's.
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs
