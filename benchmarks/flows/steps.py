"""Step functions that do as little as can be done, so that what is measured is the engine."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from .models import Effect


def nothing(number: int) -> int:
    return number


def insert(workflow_id: UUID, number: int) -> int:
    Effect.objects.create(workflow_id=workflow_id, number=number)
    return number


def fail(number: int) -> None:
    raise ValueError(f"not {number}")


async def wait(number: int, seconds: float) -> int:
    """As a call over HTTP, or of a model."""
    await asyncio.sleep(seconds)
    return number


def block(number: int, seconds: float) -> int:
    """The same in an ordinary function."""
    time.sleep(seconds)
    return number
