"""Lets sets of what ``asyncio.gather`` returns iterate the same on every replay.

It is no future of the loop's making, and hashes by its address.
"""

from __future__ import annotations

import asyncio
from typing import Any


def order_by_parts(loop: Any) -> None:
    """Have what ``gather`` returns in such loops hash as its first part does; in all others it stays as it is."""

    def order(future: Any) -> int:
        return hash(future._children[0]) if isinstance(future._loop, loop) else object.__hash__(future)

    vars(asyncio.tasks)["_GatheringFuture"].__hash__ = order
