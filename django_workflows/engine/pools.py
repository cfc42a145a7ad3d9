"""Hands places that became free in a pool to the steps that wait for them."""

from __future__ import annotations

from ..core.pools import UNKNOWN
from ..core.registry import registry
from ..models import Pool
from ..store import pools
from ..store.database import atomic, retrying
from .dispatch import wake


def free_place(pool: str) -> None:
    """After a step of ``pool`` ended, was dropped or waits to be tried again, in that transaction. "" does nothing."""
    if not pool:
        return
    pools.promote(pool, registry.pools.get(pool, UNKNOWN), wake)


def limits_changed(instance: Pool, **_: object) -> None:
    """A row of limits was saved: steps that may begin by the new ones do so now."""
    with atomic():
        free_place(instance.name)


def know_pools() -> None:
    """See to it that each pool that the code uses has its row, so that its limit can be changed before it is used."""
    pools.make(registry.pools)


def free_all_places() -> None:
    """Look at every pool, in case something was overlooked; pools that have no row yet get one."""

    def change(pool: str) -> None:
        with atomic():
            free_place(pool)

    for pool in list(registry.pools):
        retrying(lambda pool=pool: change(pool))  # type: ignore[misc]
