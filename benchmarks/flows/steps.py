"""Step functions that do as little as can be done, so that what is measured is the engine."""

from __future__ import annotations

from uuid import UUID

from .models import Effect


def nothing(number: int) -> int:
    return number


def insert(workflow_id: UUID, number: int) -> int:
    Effect.objects.create(workflow_id=workflow_id, number=number)
    return number


def fail(number: int) -> None:
    raise ValueError(f"not {number}")
