"""Says why something fails that is repeated: each cause once, and again while it lasts."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger("django_workflows")

#: Seconds after which a cause that lasts is said again.
_AGAIN = 60.0
#: How many causes are remembered.
_MOST = 20


class RepeatedFailure:
    """What one process has said of one of the things that it tries."""

    def __init__(self) -> None:
        self._said_at: dict[str, float] = {}
        self._unsaid = 0

    def tell(self, level: int, error: Exception, message: str, *args: object, extra: Mapping[str, Any]) -> None:
        """Log ``message`` with the cause: with its traceback the first time, then once a minute without."""
        cause, now = f"{type(error).__name__}: {error}".strip(), time.monotonic()
        said_at = self._said_at.get(cause)
        if said_at is not None and now - said_at < _AGAIN:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} such failures were not logged)" if self._unsaid else ""
        logger.log(level, f"{message}: %s%s", *args, cause, more, exc_info=None if said_at else error, extra=extra)  # noqa: G004
        if len(self._said_at) >= _MOST:
            self._said_at.clear()
        self._said_at[cause], self._unsaid = now, 0
