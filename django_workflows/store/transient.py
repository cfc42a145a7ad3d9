"""Which errors of a database are for the server's sake: the same transaction may succeed a moment later."""

from __future__ import annotations

import sqlite3

from django.db import InterfaceError, OperationalError

# What a server says while it stops or starts, and when it closes a session.
_STOPPING = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05"})
# Time limits: of a statement, of a session that is idle in a transaction, of a transaction, of a wait for a lock.
_TIMED_OUT = frozenset({"57014", "25P03", "25P04", "55P03"})
# The server can only be read: it is a standby, or has become one.
_READ_ONLY = "25006"
# An unknown prepared statement, or one that is there already: a pooler handed on another session.
_PREPARED_ELSEWHERE = frozenset({"26000", "42P05"})
# Whole classes: connection, rollback (serialization failure, deadlock), resources (disk, memory, connections), system.
_CLASSES = ("08", "40", "53", "58")
_TOO_MANY_CONNECTIONS = "53300"
# A mistake of the caller's that the driver finds before the server does, and so has no SQLSTATE.
_OF_THE_CALLER = ("number of parameters",)

# An unknown table or schema, no privilege, a read-only transaction, a limit that somebody set, an unknown role.
_OF_THE_SESSION = frozenset({"42P01", "3F000", "42501", _READ_ONLY, "57014", "22023", "42704"})

_SQLITE_AWAY = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_SQLITE = _SQLITE_AWAY | {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_PROTOCOL,
}
_SQLITE_UNABLE = ("unable to open database file", "readonly database", "read-only database")
_SQLITE_TEXTS = ("locked", "busy", "disk is full", "disk i/o error", *_SQLITE_UNABLE)


def is_transient(error: BaseException) -> bool:
    """Whether a database error is for the server's sake, so that to run the transaction again may help.

    Lost connections, serialization failures, deadlocks, time limits of the server, full disks, too many connections, a
    server that starts, stops or can only be read; on SQLite a file that is locked or full, or cannot be opened or
    written.
    """
    if isinstance(error, InterfaceError):
        return True
    state = _state(error)
    if state:
        return state in _STOPPING | _TIMED_OUT | _PREPARED_ELSEWHERE | {_READ_ONLY} or state.startswith(_CLASSES)
    code = _sqlite_code(error)
    if code is not None:
        return code in _SQLITE
    if not isinstance(error, OperationalError):
        return False  # of which not even the text may be readable
    text = str(error).lower()
    return any(each in text for each in _SQLITE_TEXTS) or _is_of_the_connection(error, text)


def is_away(error: BaseException) -> bool:
    """Whether the database cannot be used at the moment, whoever asks: a transient error that is not of one statement.

    It cannot be reached, has no connection left, starts, stops, or can only be read.
    """
    if not is_transient(error):
        return False
    state, code = _state(error), _sqlite_code(error)
    if state:
        return state in _STOPPING | {_READ_ONLY, _TOO_MANY_CONNECTIONS} or state.startswith("08")
    if code is not None:
        return code in _SQLITE_AWAY
    text = str(error).lower()
    return isinstance(error, InterfaceError) or any(each in text for each in _SQLITE_UNABLE) or not _is_sqlite(text)


def timed_out(error: BaseException) -> bool:
    """Whether a time limit of the server was reached, so that to try again at once may take as long again."""
    return _state(error) in _TIMED_OUT


def is_read_only(error: BaseException) -> bool:
    """Whether something was to be written where that is forbidden: by the server, or by the transaction's own mode."""
    return _state(error) == _READ_ONLY or _sqlite_code(error) == sqlite3.SQLITE_READONLY


def is_asked_for(error: BaseException) -> bool:
    """Whether somebody had the server cancel this very statement (``pg_cancel_backend``), and so wants it to end."""
    return _state(error) == "57014" and "user request" in str(error)


def may_be_of_the_session(error: BaseException) -> bool:
    """Whether a statement of the engine's may have failed for what somebody did to its session, unseen."""
    state = _state(error)
    return state in _OF_THE_SESSION if state else "no such table" in str(error) or is_read_only(error)


def may_be_committed(error: BaseException) -> bool:
    """Whether a commit that failed so may have been made all the same: the connection was lost before the answer."""
    state = _state(error)
    if state:
        return state in _STOPPING or state.startswith("08")
    if _sqlite_code(error) is not None:
        return False
    return is_transient(error) and not _is_sqlite(str(error).lower())


def is_prepared_elsewhere(error: BaseException) -> bool:
    """Whether a statement failed for having been prepared on another session; once none is prepared, it passes."""
    return _state(error) in _PREPARED_ELSEWHERE


def _state(error: BaseException) -> str:
    """The SQLSTATE of an error, wrapped by Django or as the driver raised it; "" for none."""
    for each in (error.__cause__, error):
        found = getattr(each, "sqlstate", None) or getattr(each, "pgcode", None)
        if isinstance(found, str):
            return found
    return ""


def _sqlite_code(error: BaseException) -> int | None:
    """SQLite's primary result code; ``None`` if it is no error of SQLite's."""
    code = getattr(error.__cause__, "sqlite_errorcode", None) or getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _is_sqlite(text: str) -> bool:
    return any(each in text for each in _SQLITE_TEXTS)


def _is_of_the_connection(error: BaseException, text: str) -> bool:
    """Whether a driver says without any SQLSTATE that it has no connection: none could be had, or it was lost.

    A name that cannot be resolved and a timeout have words of their own in each driver, so what counts is that an
    operational error came from a driver that gives states, and bears none.
    """
    if any(each in text for each in _OF_THE_CALLER):
        return False
    driver = hasattr(error.__cause__, "sqlstate") or hasattr(error.__cause__, "pgcode")
    return driver or "connection" in text or "terminating" in text
