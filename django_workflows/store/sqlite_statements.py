"""Runs statements on SQLite past Django's cursor, which takes as long as SQLite does.

Its driver keeps statements prepared by their text: what differs each time, as an instant does, is to be a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from .write_lock import soon_after_it_is_free

_PLACE = re.compile("(?<!%)%s")


def rows_of(conn: BaseDatabaseWrapper, sql: str, params: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All rows that a statement returns, which may write."""
    run = partial(_rows_of, conn, _with_question_marks(sql), params)
    return run() if conn.in_atomic_block else soon_after_it_is_free(conn, run)


def changes_of(conn: BaseDatabaseWrapper, sql: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run a statement for each of these rows of parameters, in a transaction; how many rows it changed in all."""
    with conn.wrap_database_errors:
        return int(conn.connection.executemany(_with_question_marks(sql), rows).rowcount)


def _rows_of(conn: BaseDatabaseWrapper, sql: str, params: Any) -> list[tuple[Any, ...]]:
    with conn.wrap_database_errors:
        # To the last one: a statement that is half read would be in the way of the commit.
        return list(conn.connection.execute(sql, params).fetchall())


@lru_cache(maxsize=256)
def _with_question_marks(sql: str) -> str:
    return _PLACE.sub("?", sql).replace("%%", "%")
