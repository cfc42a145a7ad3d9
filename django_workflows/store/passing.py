"""Which errors of a database may not come again."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

# What a server says while it stops or starts.
_STOPPING = frozenset({"57P01", "57P02", "57P03"})
# Serialization failure, deadlock, lock timeout, too many connections.
_PASSING = frozenset({"40001", "40P01", "55P03", "53300"}) | _STOPPING
# An unknown prepared statement, or one that is there already: a pooler handed on another session.
_PREPARED_ELSEWHERE = frozenset({"26000", "42P05"})


def passes(error: BaseException) -> bool:
    """Whether a database error is one that may not come again."""
    if isinstance(error, InterfaceError):
        return True
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return state in _PASSING | _PREPARED_ELSEWHERE or state.startswith("08")
    if not isinstance(error, OperationalError):
        return False  # of which not even the text may be readable
    text = str(error).lower()
    return "locked" in text or "busy" in text or "connection" in text or "terminating" in text


def may_be_committed(error: BaseException) -> bool:
    """Whether a commit that failed so may have been made all the same: the connection was lost before the answer."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state is not None:
        return state in _STOPPING or state.startswith("08")
    text = str(error).lower()
    return passes(error) and "locked" not in text and "busy" not in text


def is_prepared_elsewhere(error: BaseException) -> bool:
    """Whether a statement failed for having been prepared on another session; once none is prepared, it passes."""
    return getattr(error.__cause__, "sqlstate", None) in _PREPARED_ELSEWHERE
