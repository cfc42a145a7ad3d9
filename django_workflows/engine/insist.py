"""Writes what may not be had again: tried for as long as a lease while the database is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from ..conf import settings
from ..core.journal import ClaimedStep
from ..store.transient import is_transient
from .log_fields import of_step

logger = logging.getLogger("django_workflows")
T = TypeVar("T")

#: Seconds between two tries.
_PAUSE = 0.25


def insist(write: Callable[[], T], step: ClaimedStep | None = None) -> T:
    """``write()``, again and again while it fails for a reason that passes. ``step``: whose end it writes."""
    until, said = time.monotonic() + settings.LEASE, False
    while True:
        try:
            return write()
        except Exception as error:
            if not is_transient(error) or time.monotonic() >= until:
                raise
            if said:
                pass
            elif step is None:
                logger.warning("The ends of several steps are yet to be written")
            else:
                names = step.number, step.name, step.workflow_id
                logger.warning("The end of step %d (%s) of %s is yet to be written", *names, extra=of_step(step))
            said = True
            time.sleep(_PAUSE)
