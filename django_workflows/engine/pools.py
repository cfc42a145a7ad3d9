"""Hands places that became free in a pool to the steps that wait for them."""

from __future__ import annotations

from ..core.registry import registry
from ..store import pools
from ..store.database import atomic, retrying
from .dispatch import wake


def free_place(pool: str) -> None:
    """After a step of ``pool`` ended, was dropped or waits to be tried again, in that transaction. "" does nothing."""
    if not pool:
        return
    for queue, count in pools.promote(pool, registry.pools.get(pool, 1)).items():
        wake(queue, 0.0, count)


def free_all_places() -> None:
    """Look at every pool: after a limit was raised, or in case something was overlooked."""

    def change(pool: str) -> None:
        with atomic():
            free_place(pool)

    for pool in list(registry.pools):
        retrying(lambda pool=pool: change(pool))  # type: ignore[misc]
