"""Makes a change exactly once, also where the answer to its commit is lost together with the connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError

from .database import atomic, retrying
from .transient import may_be_committed

T = TypeVar("T")


class InDoubt(OperationalError):
    """The database went away while a change was committed, and nobody knows whether it was."""


def once(change: Callable[[], T], done: Callable[[], T | None] | None = None) -> T:
    """Run ``change`` in a transaction, again where that failed for a reason that passes, and never twice.

    Who loses the connection while the change is committed is not told whether it was. Then ``done`` looks: it returns
    what ``change`` would have, ``None`` if nothing was committed. Without it ``InDoubt`` is raised. Inside a caller's
    transaction ``change`` runs once, since only the caller can repeat that.
    """
    tried = False

    def whole() -> T:
        nonlocal tried
        if tried:
            found = _look(done)
            if found is not None:
                return found
        tried = False
        try:
            with atomic():
                result = change()
                tried = True
        except (DatabaseError, InterfaceError) as error:
            tried = tried and may_be_committed(error)
            raise
        return result

    return retrying(whole)


def _look(done: Callable[[], T | None] | None) -> T | None:
    if done is None:
        raise InDoubt(
            "the database went away while this was committed, so whether it was done is not known: look before it is "
            "done again"
        )
    return done()
