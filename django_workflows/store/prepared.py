"""Runs the statements that are run all the time: on PostgreSQL and SQLite prepared, and past Django's cursor.

Django's cursor takes as long for a statement as the database does. It is used all the same where somebody watches
statements through it (``execute_wrapper``, ``DEBUG``), and on every other database.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from . import sqlite_statements
from .database import connection, is_postgresql, vendor
from .transient import is_prepared_elsewhere

logger = logging.getLogger("django_workflows")

Params = Sequence[Any] | Mapping[str, Any]

#: Whether PostgreSQL writes a step's end as one statement, and SQLite several turns by few. Cleared by tests only,
#: which then try there what every other database does.
one_statement = True
#: Only statements that ask for it are prepared, at their first run.
_WHEN_ASKED = 1 << 30


def in_one_statement(*, outside: bool = False) -> bool:
    """Whether a change that takes several statements elsewhere is one here; ``outside``: of any transaction, too."""
    return one_statement and is_postgresql() and not (outside and connection().in_atomic_block)


def in_few_statements() -> bool:
    """Whether a change of many rows is a few statements here, each of which is run for one row after the other."""
    return one_statement and vendor() == "sqlite"


def run_one(sql: str, params: Params) -> tuple[Any, ...] | None:
    """The first row that a statement returns; its text is to be the same each time, so that it is prepared once."""
    conn = connection()
    cursor = _prepared_cursor(conn)
    if cursor is None:
        rows = _all(conn, sql, params)
        return rows[0] if rows else None
    _execute(conn, cursor, sql, params)
    with conn.wrap_database_errors:
        return cursor.fetchone()  # type: ignore[no-any-return]


def run_all(sql: str, params: Params) -> list[tuple[Any, ...]]:
    """All rows that a statement returns."""
    conn = connection()
    cursor = _prepared_cursor(conn)
    if cursor is None:
        return _all(conn, sql, params)
    _execute(conn, cursor, sql, params)
    with conn.wrap_database_errors:
        return cursor.fetchall()  # type: ignore[no-any-return]


def run_for_each(sql: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run a statement that returns nothing for each of these rows of parameters; how many rows it changed in all."""
    conn = connection()
    if vendor() == "sqlite" and not _is_watched(conn):
        return sqlite_statements.changes_of(conn, sql, rows)
    with conn.cursor() as watched:
        watched.executemany(sql, rows)
        return int(watched.rowcount)


def _all(conn: BaseDatabaseWrapper, sql: str, params: Params) -> list[tuple[Any, ...]]:
    if vendor() == "sqlite" and not _is_watched(conn):
        conn.ensure_connection()
        return sqlite_statements.rows_of(conn, sql, params)
    with conn.cursor() as watched:
        watched.execute(sql, params)
        return list(watched.fetchall())


def _is_watched(conn: BaseDatabaseWrapper) -> bool:
    """Whether statements have to go through Django's cursor, which refuses them in a broken transaction."""
    return bool(conn.execute_wrappers or conn.needs_rollback or conn.queries_logged)


def _execute(conn: BaseDatabaseWrapper, cursor: Any, sql: str, params: Params) -> None:
    try:
        with conn.wrap_database_errors:
            cursor.execute(sql, params, prepare=True)
    except DatabaseError as error:
        if not is_prepared_elsewhere(error):
            raise
        logger.warning("Statements of this connection are no longer prepared, since something shares it: %s", error)
        cursor.connection.prepare_threshold = None
        if conn.in_atomic_block:
            raise  # the whole transaction is run again
        with conn.wrap_database_errors:
            cursor.execute(sql, params)


def replan(seconds: float = 10.0) -> None:
    """Have this connection's plans made anew, unless that was done less than so many seconds ago.

    What is planned while a table is almost empty reads the whole of it. PostgreSQL keeps such a plan of a prepared
    statement until the table is analyzed, however large it becomes meanwhile.
    """
    cursor = _prepared_cursor(connection())
    if cursor is None or cursor.connection.prepare_threshold is None:
        return
    if time.monotonic() - cursor.connection._django_workflows_planned_at >= seconds:
        with connection().wrap_database_errors:
            cursor.execute("DISCARD PLANS", prepare=False)
        cursor.connection._django_workflows_planned_at = time.monotonic()


def _prepared_cursor(conn: BaseDatabaseWrapper) -> Any:
    """Psycopg's own cursor, kept with its connection; ``None`` where Django's is to be used."""
    if not is_postgresql() or _is_watched(conn):
        return None
    raw = conn.connection
    if raw is None:
        conn.ensure_connection()
        raw = conn.connection
    cursor = getattr(raw, "_django_workflows_cursor", False)
    return _new_cursor(conn, raw) if cursor is False else cursor


def _new_cursor(conn: BaseDatabaseWrapper, raw: Any) -> Any:
    try:
        from psycopg import Connection, Cursor
    except ImportError:
        return None  # psycopg2
    if not isinstance(raw, Connection):
        return None
    if is_shared(conn, raw):
        raw.prepare_threshold = None
    elif raw.prepare_threshold is None:
        raw.prepare_threshold = _WHEN_ASKED
        # Psycopg counts from 0 on each connection. Where a pooler went unnoticed, another's statement of the same name
        # would be run instead; one that is not there is an error.
        raw._prepared._prepared_idx = random.getrandbits(62)
    cursor = Cursor(raw)
    raw._django_workflows_cursor = cursor  # type: ignore[attr-defined]
    raw._django_workflows_planned_at = time.monotonic()  # type: ignore[attr-defined]
    return cursor


def is_shared(conn: BaseDatabaseWrapper, raw: Any) -> bool:
    """Whether a pooler may hand the session to others between transactions, so that nothing lasts that is its own.

    ``DISABLE_SERVER_SIDE_CURSORS`` is Django's word for that; and a pooler tells its clients a process id of its own.
    """
    if conn.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        return True
    with conn.wrap_database_errors, raw.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return bool(cursor.fetchone()[0] != raw.info.backend_pid)
