"""Calls what is to be called after a commit, which must not fail for it."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from .database import alias


def after_commit(call: Callable[[], object]) -> None:
    """Call it once the present transaction is committed, or at once where there is none; that it fails is logged."""
    transaction.on_commit(named(call), using=alias(), robust=True)


def named(call: Callable[[], object]) -> Callable[[], object]:
    """The same with the name by which Django logs that it failed: without one, as a partial is, that would raise."""
    if hasattr(call, "__qualname__"):
        return call

    def unnamed() -> object:
        return call()

    return unnamed
