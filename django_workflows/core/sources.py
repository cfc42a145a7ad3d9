"""What a handler gets in place of randomness and logging of its own: the same, or nothing, on every replay."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .replay import Replay


class Sources:
    """Randomness and logging of one live handler, shared by all contexts derived from its first."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    @cached_property
    def random(self) -> Random:
        return self._seeded("random")

    @cached_property
    def ids(self) -> Random:
        return self._seeded("ids")

    @cached_property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        return _ReplayLogger(self._replay, logging.getLogger(self._replay.definition.handler.__module__))

    def _seeded(self, purpose: str) -> Random:
        workflow, continuations = self._replay.workflow_id.hex, self._replay.continuations
        seed = f"{workflow}:{continuations}" if continuations else workflow
        # Not for secrets: it must give the same numbers to every replay.
        return Random(f"{seed}:{purpose}")  # noqa: S311


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
