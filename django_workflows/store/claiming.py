"""What statements have in common that claim what is due."""

from __future__ import annotations

from ..core.logic import KNOWN
from . import database
from .database import connection, is_postgresql


def due_order() -> str:
    """The order of claims. Where a test's clock stands still much is due at one instant, so ids decide as well."""
    return "due_at" if database.frozen_at is None else "due_at, id"


def of_known_logic() -> str:
    """What a claim of turns adds to its condition: a newer version's workflows are left to its workers."""
    return f" AND logic <= {KNOWN}"


def skip_locked() -> str:
    """What a claim adds to its subselect. SQLite has one writer at a time, so nothing is needed there."""
    return " FOR UPDATE SKIP LOCKED" if is_postgresql() else ""


def one_of(select: str) -> str:
    """The condition that a column is one of what a subselect with a limit finds, run once."""
    return f"= ANY (ARRAY ({select}))" if is_postgresql() else f"IN ({select})"


def not_waited_for() -> str:
    """What a claim of turns adds to its ``RETURNING``, so that its commit does not wait for the disk.

    If the database itself crashes in that moment the claim is undone, and so is nothing else: the workflow is due
    again, and whoever still leads it is void. Not for claims of steps, since an action may run at most once.
    """
    if is_postgresql() and not connection().in_atomic_block:
        return ", set_config('synchronous_commit', 'off', true)"
    return ""
