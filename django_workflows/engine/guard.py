"""Keeps the ORM out of handlers, with an error that says what to use."""

from __future__ import annotations

from django.core.exceptions import SynchronousOnlyOperation

from ..exceptions import UnsupportedInHandler

_INSTEAD = (
    "a workflow handler cannot use the database: what it reads there would differ on replay. "
    "Move this into a function and await step.run_query(fn, ...) or step.run_mutation(fn, ...)"
)


def explained(error: BaseException) -> BaseException:
    """Django's own refusal of database access inside an event loop, in words that fit a handler."""
    if not isinstance(error, SynchronousOnlyOperation):
        return error
    better = UnsupportedInHandler(_INSTEAD)
    better.__cause__ = error
    better.__traceback__ = error.__traceback__
    return better
