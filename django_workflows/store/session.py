"""Whether the functions of a project gave back the database sessions that they borrowed, and what is done if not.

A step, a callback or a receiver runs on the connection that the engine, and the next step, use as well. What it did to
that session is found by the statements that it sent and by the state in which it left the transaction. A connection
that is not as it was is dropped before anything else uses it. Inside of a transaction, where it cannot be dropped, the
settings that the engine's own statements depend on are put back at once.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import IntEnum
from functools import lru_cache, wraps
from typing import Any, NoReturn, cast

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.transaction import TransactionManagementError
from django.dispatch import receiver

from ..conf import settings

logger = logging.getLogger("django_workflows")

_Execute = Callable[[str, Any, bool, dict[str, Any]], Any]


# -- statements


class Touch(IntEnum):
    """What a statement does to its session."""

    NOTHING = 0
    #: It is undone by the end of the transaction.
    LOCAL = 1
    #: It outlives the transaction, or may.
    SESSION = 2
    #: It begins or ends a transaction by hand.
    TRANSACTION = 3


_ROWS_ONLY = ("select", "insert", "update", "delete", "with", "savepoint", "release", "rollback to", "merge", "values")
#: What in a statement about rows needs a closer look.
_ODD = (";", "set_config", "advisory", " temp ", " temporary ", "dblink")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_LOCAL = re.compile(
    r"set\s+(?:local|transaction|constraints)\b|create\s+(?:local\s+|global\s+)?temp.*\bon\s+commit\s+drop\b", re.DOTALL
)
_TRANSACTION = re.compile(
    r"(?:commit|end|abort|begin|start\s+transaction|prepare\s+transaction)\b|rollback\b(?!\s+(?:(?:work|transaction)\s+)?to\b)"
)
_SESSION = re.compile(
    r"(?:set|reset|listen|unlisten|prepare|deallocate|load|do|call|attach|detach|use|handler|lock\s+tables)\b"
    r"|discard\s+(?!plans\b)|declare\b.*\bwith\s+hold\b|create\s+(?:or\s+replace\s+)?(?:local\s+|global\s+)?temp"
    r"|create\s+table\s+(?:if\s+not\s+exists\s+)?(?:pg_temp|temp)\.",
    re.DOTALL,
)
_PRAGMA = re.compile(r"pragma\s+(?:\w+\.)?(\w+)\s*(=|\()?")
_READING_PRAGMAS = frozenset(
    {"foreign_key_check", "foreign_key_list", "index_info", "index_list", "index_xinfo", "integrity_check"}
    | {"quick_check", "table_info", "table_list", "table_xinfo"}
)
_SET_CONFIG = re.compile(r"\bset_config\s*\(")
_SET_CONFIG_LOCAL = re.compile(r"\bset_config\s*\([^()]*,\s*true\s*\)")
_CALLS = re.compile(
    r"\bpg_(?:try_)?advisory_(?:lock|unlock)|\bdblink|\binto\s+(?:unlogged\s+|local\s+|global\s+)?temp", re.DOTALL
)
#: The name in ``SET name`` and ``set_config('name', ...)``.
_NAMES = re.compile(
    r"\bset\s+(?:session\s+|local\s+)?([a-z_][\w.]*)\s*(?:=|to\b)|\bset_config\s*\(\s*'([\w.]+)'", re.DOTALL
)


#: Statements that were seen to do nothing to their session. Longer ones, which are rarely sent twice, are not kept.
_harmless: set[str] = set()
_SHORT, _REMEMBERED = 4000, 1000


def touch_of(sql: str) -> Touch:
    """What this statement does to its session, or these: PostgreSQL takes several with semicolons between them."""
    if sql in _harmless:
        return Touch.NOTHING
    text = sql.lower()
    found = Touch.NOTHING
    if not text.startswith(_ROWS_ONLY) or any(odd in text for odd in _ODD):
        found = _closer(text)
    if found == Touch.NOTHING and len(sql) < _SHORT:
        if len(_harmless) >= _REMEMBERED:
            _harmless.clear()
        _harmless.add(sql)
    return found


def _closer(text: str) -> Touch:
    text = _QUOTED.sub("''", text)
    parts = text.split(";")
    # What a function or a trigger will do, it does not do now.
    return max(map(_touch_of_one, parts[:1] if _without_comments(text).startswith("create") else parts))


def _without_comments(text: str) -> str:
    found = _COMMENTS.match(text)
    return text[found.end() :] if found else text


def _touch_of_one(text: str) -> Touch:
    text = _without_comments(text)
    if _TRANSACTION.match(text):
        return Touch.TRANSACTION
    if _LOCAL.match(text):
        return Touch.LOCAL
    if _SESSION.match(text) or _CALLS.search(text) or _sets_by_pragma(text):
        return Touch.SESSION
    if calls := len(_SET_CONFIG.findall(text)):
        return Touch.LOCAL if calls == len(_SET_CONFIG_LOCAL.findall(text)) else Touch.SESSION
    return Touch.NOTHING


def _sets_by_pragma(text: str) -> bool:
    found = _PRAGMA.match(text)
    return found is not None and found[2] is not None and found[1] not in _READING_PRAGMAS


def _names_in(text: str) -> set[str]:
    return {first or second for first, second in _NAMES.findall(text.lower())} - {"transaction", "constraints", "time"}


# -- a connection, as it is watched


class Hold:
    """What is known of one of Django's connections, which are one per thread and alias."""

    __slots__ = ("by_cursor", "conn", "guard", "raw", "touched", "usual_close")

    def __init__(self, conn: BaseDatabaseWrapper) -> None:
        self.conn = conn
        #: Its own method, or what somebody has put in the place of it.
        self.usual_close = conn.close
        conn.close = self.close  # type: ignore[method-assign]
        #: The driver's connection of which the rest is said.
        self.raw: Any = None
        #: Whether its session may be other than a new one would be.
        self.touched = False
        #: Whether its driver's cursors tell of their statements; else Django's do, while a function is guarded.
        self.by_cursor = False
        #: Who guards the function that runs at present.
        self.guard: _Kept | None = None

    def watch(self) -> None:
        """Know of the present connection, and of no earlier one."""
        raw = self.conn.connection
        if raw is not self.raw:
            self.raw, self.touched = raw, False
            self.by_cursor = _watch_cursors(raw, self)

    @property
    def is_touched(self) -> bool:
        return self.touched and self.raw is self.conn.connection

    def see(self, sql: Any) -> None:
        """A statement is about to be sent."""
        guard = self.guard
        if sql.__class__ is str and sql in _harmless and (guard is None or settings.SESSION_RESET != "always"):
            return
        text = _text(sql, self.raw)
        touch = touch_of(text)
        if touch == Touch.NOTHING:
            if guard is not None and settings.SESSION_RESET == "always":
                guard.about_to_touch("")
                self.touched = True
            return
        if guard is not None:
            if touch == Touch.TRANSACTION:
                guard.refuse(text)
                return
            guard.about_to_touch(text)
        if touch == Touch.SESSION:
            self.touched = True

    def close(self) -> None:
        if self.guard is not None and self.guard.bound:
            self.guard.refuse_to_close()
        self.usual_close()

    def run(self, execute: _Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        """For ``execute_wrapper``, where the driver's cursors do not tell."""
        if self.raw is not self.conn.connection:
            self.raw, self.touched = self.conn.connection, False
        self.see(sql)
        return execute(sql, params, many, context)


_HOLD = "_django_workflows_hold"


def _hold_of(conn: BaseDatabaseWrapper) -> Hold:
    try:
        hold: Hold = conn._django_workflows_hold  # type: ignore[attr-defined]
    except AttributeError:
        hold = conn._django_workflows_hold = Hold(conn)  # type: ignore[attr-defined]
    return hold


def _text(sql: Any, raw: Any) -> str:
    if isinstance(sql, str):
        return sql
    if isinstance(sql, bytes):
        return sql.decode(errors="replace")
    try:
        return str(sql.as_string(raw))  # psycopg's composed statements
    except Exception:  # noqa: BLE001
        return "do"  # not known: as bad as can be


def _watch_cursors(raw: Any, hold: Hold) -> bool:
    """Have the cursors of a psycopg connection tell of their statements, also of those sent past Django's."""
    try:
        from psycopg import Connection
    except ImportError:
        return False
    if not isinstance(raw, Connection):
        return False
    raw._django_workflows_hold = hold  # type: ignore[attr-defined]
    if not hasattr(raw.cursor_factory, "_django_workflows_tells"):
        raw.cursor_factory = _telling(cast(Any, raw.cursor_factory))
        for name in ("commit", "rollback"):
            setattr(raw, name, _asking(raw, name, getattr(raw, name)))
    return True


def _tell(raw: Any, query: Any) -> None:
    hold: Hold = raw._django_workflows_hold
    if hold.raw is raw:  # else a pool has handed it on
        hold.see(query)


@lru_cache
def _telling(factory: Any) -> Any:
    class Telling(factory):  # type: ignore[misc]
        _django_workflows_tells = True

        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            _tell(self.connection, query)
            return super().execute(query, *args, **kwargs)

        def executemany(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            _tell(self.connection, query)
            return super().executemany(query, *args, **kwargs)

        def stream(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            _tell(self.connection, query)
            return super().stream(query, *args, **kwargs)

    Telling.__name__, Telling.__qualname__ = factory.__name__, factory.__qualname__
    return Telling


def _asking(raw: Any, name: str, usual: Callable[[], None]) -> Callable[[], None]:
    def ask() -> None:
        hold: Hold = raw._django_workflows_hold
        if hold.raw is raw and hold.guard is not None:
            hold.guard.refuse(name)
        usual()

    return ask


# -- a function's time on it


class WritesLost(TransactionManagementError):
    """An action returned, but what it wrote in a transaction that it never ended is rolled back."""


class _Kept:
    """One connection, while a function of the project's runs.

    ``bound``: its transaction is the engine's, so the function must neither end it nor close its connection.
    """

    __slots__ = (
        "before", "blocks", "bound", "changes", "conn", "hold", "hooks", "inside", "keeps", "outer", "raw", "refused",
        "savepoints", "status", "wrappers",
    )  # fmt: skip

    def __init__(self, conn: BaseDatabaseWrapper, hold: Hold, bound: bool, keeps: bool = False) -> None:
        self.conn, self.hold, self.keeps = conn, hold, keeps
        self.raw = conn.connection
        if self.raw is not hold.raw:
            hold.watch()
        self.inside: bool = conn.in_atomic_block
        self.bound = bound and self.inside
        if self.inside:
            self.blocks, self.savepoints = len(conn.atomic_blocks), len(conn.savepoint_ids)
            self.hooks = len(conn.run_on_commit)
            self.status = self.bound and _in_transaction(conn)
        else:
            self.changes = self.raw.total_changes if conn.vendor == "sqlite" and self.raw is not None else 0
        self.refused = ""
        #: Settings as they were before the first statement that changed any, by name.
        self.before: dict[str, str] | None = None
        self.outer, hold.guard = hold.guard, self
        self.wrappers = conn.execute_wrappers[:]
        if not hold.by_cursor:
            conn.execute_wrappers.append(hold.run)

    # -- while it runs

    def refuse(self, text: str) -> None:
        """Raise, before it is sent, for a statement that would end the engine's transaction."""
        if self.bound and len(self.conn.atomic_blocks) >= self.blocks:
            self.refused = self.refused or " ".join(text.split())[:80].upper()
            raise TransactionManagementError(_ended(self.refused))

    def refuse_to_close(self) -> None:
        self.refused = self.refused or "connection.close()"
        raise TransactionManagementError(_ended(self.refused))

    def about_to_touch(self, text: str) -> None:
        """A statement that changes settings is about to be sent: inside of a transaction, learn what they are."""
        if self.inside and self.raw is not None and self.conn.vendor == "postgresql":
            names = _names_in(text) - (self.before or {}).keys()
            names |= {*_SETTINGS, _READ_ONLY} if self.before is None else set()
            self.before = {**(self.before or {}), **_read_settings(self.raw, names)}
        elif self.before is None:
            self.before = {}

    # -- at its end

    def leave(self) -> bool:
        """Take back what holds while the function runs only, before all else; whether there is nothing else to do."""
        conn, hold = self.conn, self.hold
        hold.guard = self.outer
        if self.wrappers != conn.execute_wrappers:
            conn.execute_wrappers[:] = self.wrappers
        if conn.connection is not self.raw or self.refused:
            return False
        if not self.inside:
            return not ((hold.touched and not self.keeps) or is_out_of_order(conn))
        if len(conn.atomic_blocks) != self.blocks or len(conn.run_on_commit) != self.hooks:
            return False
        ended = not _in_transaction(conn) if self.status else _is_closed(conn)
        return not (ended or conn.closed_in_transaction) and self.before is None

    def settle(self, error: BaseException | None) -> None:
        """Put the connection in order. Raises ``TransactionManagementError`` if writes of the function's are lost."""
        if self.inside:
            if len(self.conn.run_on_commit) > self.hooks:
                self._guard_hooks()
            self._settle_inside(error)
        else:
            self._settle_outside(error)

    def _settle_inside(self, error: BaseException | None) -> None:
        conn = self.conn
        if len(conn.atomic_blocks) > self.blocks:
            del conn.atomic_blocks[self.blocks :], conn.savepoint_ids[self.savepoints :]
            if error is None:
                raise TransactionManagementError(_LEFT_OPEN.format(conn.alias))
        if self.refused and error is None:
            raise TransactionManagementError(_ended(self.refused))
        if self.bound and self._has_ended() and not self._was_rolled_back_for(error):
            raise TransactionManagementError(_ended("")) from error
        if self.before is not None and error is None:
            self._restore()

    def _guard_hooks(self) -> None:
        """What the function wants to be called after the commit is the project's own as well."""
        hooks: list[Any] = self.conn.run_on_commit  # of three each, whatever its stub says
        hooks[self.hooks :] = [
            (ids, guarded(hook, self.conn.alias), robust) for ids, hook, robust in hooks[self.hooks :]
        ]

    def _has_ended(self) -> bool:
        """Whether the engine's transaction is over, by other ways than are refused."""
        conn, raw = self.conn, self.raw
        if conn.closed_in_transaction or len(conn.atomic_blocks) < self.blocks:
            return True
        if raw is None or conn.connection is not raw:
            return False  # none was there: what is now is not older than the function
        if conn.vendor == "postgresql" and raw.closed:
            return not getattr(raw, "broken", True)  # the server may have closed it
        return self.status and not _in_transaction(conn)

    def _was_rolled_back_for(self, error: BaseException | None) -> bool:
        """Whether SQLite ended the transaction itself, as it does when its disk is full, for example."""
        return self.conn.vendor == "sqlite" and isinstance(error, DatabaseError)

    def _restore(self) -> None:
        """Give the engine's statements, which follow in this transaction, the settings that they had."""
        assert self.before is not None
        try:
            if self.conn.vendor == "sqlite" and self.raw is not None:
                self.raw.execute("PRAGMA query_only = OFF")
            elif self.before:
                _restore_settings(self.raw, self.before)
        except TransactionManagementError:
            raise
        except Exception as error:
            raise TransactionManagementError(
                f"the settings of its transaction could not be put back: {error} Set none that stays."
            ) from error

    def _settle_outside(self, error: BaseException | None) -> None:
        conn = self.conn
        out_of_order = is_out_of_order(conn)
        # What was said to a connection that the function has opened is not known.
        is_new = conn.connection is not self.raw and conn.connection is not None and self.hold.by_cursor
        is_changed = self.outer is None and (is_new or self.hold.is_touched) and not self.keeps
        if not (out_of_order or is_changed) or not owned():
            return
        lost = out_of_order and self._is_open() and self._loses_writes()
        drop(conn)
        if lost and error is None:
            raise WritesLost(_LEFT_OPEN.format(conn.alias))

    def _is_open(self) -> bool:
        """Whether a transaction is open that was begun by the function, for all that Django or the driver knows."""
        return self.conn.in_atomic_block or _in_transaction(self.conn)

    def _loses_writes(self) -> bool:
        raw: Any = self.conn.connection
        if self.conn.closed_in_transaction or raw is None or _is_closed(self.conn):
            return True
        if self.conn.vendor == "sqlite":
            return bool(raw.in_transaction and raw.total_changes != self.changes)
        if self.conn.vendor != "postgresql":
            return True
        if not _in_transaction(self.conn):
            return False
        try:
            with _own_cursor(raw) as cursor:
                cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
                return bool(cursor.fetchone()[0])
        except Exception:  # noqa: BLE001 - broken, or gone: nobody knows
            return True


_LEFT_OPEN = (
    "the function returned and left a transaction open on database {!r} (a transaction.atomic() block that was entered "
    "and never left, set_autocommit(False), or BEGIN), so that what it wrote there is rolled back. Write "
    '"with transaction.atomic():" around what belongs together.'
)


def _ended(by: str) -> str:
    how = f"sent {by}" if by else "ended it, or closed its connection"
    return (
        "the transaction of a mutation, a query or a callback is committed or rolled back with its entry in the "
        f"journal, and the function {how}. Raise an exception to have it rolled back; what has to be committed by "
        "itself goes into a step of its own, or into an action."
    )


class guard:  # noqa: N801 - reads as a statement
    """Have the project's function that runs in the block leave the sessions as it found them.

    ``bound``: it runs in a transaction of the engine's. Raises ``TransactionManagementError`` where what it wrote
    cannot be kept, for it ended that transaction or never ended its own. What has been done to a session is undone, or
    its connection dropped, before the block is left. A process that the function has forked ends here.

    ``keeps_session``: what it set in its session is left as it is; see ``is_changed``.
    """

    __slots__ = ("_alias", "_bound", "_forks", "_keeps", "_kept", "_others")

    def __init__(self, alias: str, bound: bool, *, keeps_session: bool = False) -> None:
        self._alias, self._bound, self._keeps = alias, bound, keeps_session

    def __enter__(self) -> None:
        self._forks = _forks
        conn = connection_of(self._alias)
        hold = _hold_of(conn)
        if not self._bound and (conn.in_atomic_block or hold.touched):
            tidy(conn)
        self._kept = _Kept(conn, hold, self._bound, self._keeps)
        several = len(connections.settings) > 1
        others = _others(self._alias) if several else ()
        self._others = [_Kept(other, _hold_of(other), False, self._keeps) for other in others]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if self._forks != _forks:
            _end_child(error)
        unsettled = [] if self._kept.leave() else [self._kept]
        if self._others:
            unsettled += [kept for kept in self._others if not kept.leave()]
        problem: TransactionManagementError | None = None
        for kept in unsettled:
            try:
                kept.settle(error)
            except TransactionManagementError as found:
                problem = problem or found
        if problem is not None:
            raise problem


def guarded(function: Callable[[], object], alias: str) -> Callable[[], object]:
    """The same, guarded as it is called, which is outside of any transaction of the engine's."""

    @wraps(function)
    def call() -> object:
        with guard(alias, bound=False):
            return function()

    return call


def _others(alias: str) -> Iterator[BaseDatabaseWrapper]:
    """The connections of other databases, looked at as Django does between two requests."""
    for other in connections.settings:
        if other != alias:
            conn = connections[other]
            tidy(conn)
            if conn.connection is not None and not conn.in_atomic_block and owned():
                conn.close_if_unusable_or_obsolete()
            yield conn


# -- whose connections they are

_here = threading.local()


def may_renew(conn: BaseDatabaseWrapper) -> bool:
    """Whether a connection may be dropped outside of a transaction: it is a worker's, and no function has it."""
    hold: Hold | None = conn.__dict__.get(_HOLD)
    return owned() and (hold is None or hold.guard is None)


def owned() -> bool:
    """Whether this thread's connections are a worker's, so that they may be dropped between two transactions."""
    return getattr(_here, "owned", False)


@contextmanager
def owning(alias: str) -> Iterator[None]:
    """In the block this thread is a worker, unless it is in a caller's transaction."""
    before, conn = owned(), connections[alias]
    usual = getattr(_here, "connection", None)
    _here.owned, _here.connection = before or not conn.in_atomic_block, conn
    try:
        yield
    finally:
        _here.owned, _here.connection = before, usual


def connection_of(alias: str) -> BaseDatabaseWrapper:
    """This thread's connection. A worker's is at hand: Django looks it up in microseconds, of which a step has few."""
    found: BaseDatabaseWrapper | None = getattr(_here, "connection", None)
    return found if found is not None and found.alias == alias else connections[alias]


def tidy(conn: BaseDatabaseWrapper) -> None:
    """Drop a connection that is not as a new one would be, if no function has it and this thread may."""
    hold: Hold | None = conn.__dict__.get(_HOLD)
    if hold is not None and hold.guard is None and (hold.is_touched or is_out_of_order(conn)) and owned():
        drop(conn)


def watch_from_the_start() -> None:
    """Know of all statements that are sent on connections of this thread, also of those that a function opens."""
    _here.watches = True


def is_changed() -> bool:
    """Whether one of this thread's sessions may be other than a new one would be."""
    found = (conn.__dict__.get(_HOLD) for conn in connections.all(initialized_only=True))
    return any(hold is not None and hold.is_touched for hold in found)


@receiver(connection_created, dispatch_uid="django_workflows.session")
def _watch_new(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if getattr(_here, "watches", False):
        _hold_of(connection).watch()


def begin_anew(alias: str) -> None:
    """Before a worker begins: drop a connection that somebody else in its process left in the midst of something."""
    conn = connections[alias]
    if is_out_of_order(conn):
        drop(conn)


def is_out_of_order(conn: BaseDatabaseWrapper) -> bool:
    """Whether something is open on a connection outside of the engine's transactions."""
    if conn.in_atomic_block:
        return True
    raw: Any = conn.connection
    if raw is None:
        return False
    if conn.autocommit != conn.settings_dict["AUTOCOMMIT"]:
        return True
    if (driver := getattr(raw, "pgconn", None)) is not None:
        return bool(driver.transaction_status != _IDLE)  # in the midst of something, or closed
    if conn.vendor == "sqlite":
        try:
            return bool(raw.in_transaction)
        except sqlite3.ProgrammingError:  # it is closed
            return True
    return _in_transaction(conn) or _is_closed(conn)


def is_over(conn: BaseDatabaseWrapper) -> bool:
    """Whether a transaction in which there were statements is ended, or its connection closed, and Django not told."""
    return conn.connection is None or _is_closed(conn) or not _in_transaction(conn)


def drop(conn: BaseDatabaseWrapper) -> None:
    """Close a connection, whatever it is in the midst of; the next statement opens another one."""
    raw = conn.connection
    _forget_transaction(conn)
    if conn.vendor != "sqlite":
        with suppress(Exception):
            raw.close()  # a pool would hand its session on as it is
    with suppress(Exception):
        conn.close()
    if conn.connection is None:
        return
    if conn.vendor != "sqlite":
        conn.connection = None
        return
    # A database in memory, which would be gone.
    with suppress(Exception):
        raw.rollback()
        conn.set_autocommit(conn.settings_dict["AUTOCOMMIT"])


def drop_all() -> None:
    """Close all of this thread's connections, whatever they are in the midst of."""
    for conn in connections.all(initialized_only=True):
        drop(conn)


def _forget_transaction(conn: BaseDatabaseWrapper) -> None:
    conn.in_atomic_block = conn.closed_in_transaction = conn.needs_rollback = False
    conn.savepoint_ids, conn.atomic_blocks, conn.run_on_commit = [], [], []
    conn.commit_on_exit = True


def _in_transaction(conn: BaseDatabaseWrapper) -> bool:
    """Whether the driver has a transaction open, whatever Django thinks."""
    raw: Any = conn.connection
    if raw is None:
        return False
    if conn.vendor == "sqlite":
        try:
            return bool(raw.in_transaction)
        except sqlite3.ProgrammingError:  # it is closed
            return False
    if conn.vendor == "postgresql":
        driver = getattr(raw, "pgconn", None) or raw.info
        return bool(driver.transaction_status in (_IN_TRANSACTION, _IN_ERROR))
    return False


def _is_closed(conn: BaseDatabaseWrapper) -> bool:
    """Whether the driver's connection is closed, of which Django does not know."""
    raw: Any = conn.connection
    if raw is None or conn.vendor != "sqlite":
        return bool(getattr(raw, "closed", False))
    try:
        return not isinstance(raw.in_transaction, bool)
    except sqlite3.ProgrammingError:
        return True


#: libpq's words for it.
_IDLE, _IN_TRANSACTION, _IN_ERROR = 0, 2, 3


# -- settings

#: Those that the engine's statements depend on, in the order in which they are put back.
_SETTINGS = (
    "session_authorization", "role", "search_path", "row_security", "statement_timeout", "lock_timeout", "timezone",
    "datestyle", "intervalstyle", "bytea_output", "client_encoding", "standard_conforming_strings",
    "transaction_timeout", "idle_in_transaction_session_timeout",
)  # fmt: skip
#: Cannot be put back once there was a statement.
_READ_ONLY = "transaction_read_only"
_READ = "SELECT name, coalesce(current_setting(name, true), '') FROM unnest(%s::text[]) AS asked(name)"
# One after the other, in this order: who may set a role is asked of the session's user.
_RESTORE = (
    "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[]) AS was(name, value) "
    "WHERE coalesce(pg_catalog.current_setting(name, true), '') <> value"
)


def _own_cursor(raw: Any) -> Any:
    """A cursor that tells nobody."""
    try:
        from psycopg import Connection, Cursor
        from psycopg.rows import tuple_row
    except ImportError:
        return raw.cursor()
    return Cursor(raw, row_factory=tuple_row) if isinstance(raw, Connection) else raw.cursor()


def _read_settings(raw: Any, names: set[str]) -> Mapping[str, str]:
    if not names:
        return {}
    with suppress(Exception), _own_cursor(raw) as cursor:  # if it is broken, the statement that follows says so
        cursor.execute(_READ, [list(names)])
        return dict(cursor.fetchall())
    return {}


def _restore_settings(raw: Any, before: Mapping[str, str]) -> None:
    names = [name for name in _SETTINGS if name in before]
    names += [name for name in before if name not in _SETTINGS and name != _READ_ONLY]
    with _own_cursor(raw) as cursor:
        cursor.execute(_RESTORE, [names, [before[name] for name in names]])
        cursor.execute(f"SHOW {_READ_ONLY}")
        if cursor.fetchone()[0] != before.get(_READ_ONLY):
            raise TransactionManagementError(
                "the function made the transaction of a mutation read-only, so its entry in the journal cannot be "
                "written there. Use step.run_query for what only reads."
            )


# -- processes that a function forks


def _end_child(error: BaseException | None) -> NoReturn:
    """End a process that a function has forked and in which it has returned: it is no second worker."""
    code = 0
    with suppress(BaseException):
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            code = 1
            logger.error("A process that a step function forked ended with an error", exc_info=error)
        for handler in logging.getLogger().handlers:
            handler.flush()
    os._exit(code)


#: How often this process was made from another one by a fork.
_forks = 0
#: What a forked process must neither use nor close, for its parent does.
_parents: list[Any] = []


def _in_child() -> None:
    """Leave the connections to the parent: a statement, or even a goodbye, from two processes ends its session."""
    global _forks  # noqa: PLW0603
    _forks += 1
    found = connections.all(initialized_only=True)
    holds: list[Hold | None] = [conn.__dict__.get(_HOLD) for conn in found]
    if all(hold is None or hold.guard is None for hold in holds):
        return  # no function's: who forks knows what it does
    for conn, hold in zip(found, holds, strict=True):
        _parents.append(conn.connection)
        if hold is not None:
            hold.guard = None
        _forget_transaction(conn)
        conn.connection = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
