"""Sees that something has ended, of every engine that tells nobody, in the same way: by a look twice a millisecond."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

import psycopg

from .engine import until

#: Seconds between two looks.
_PAUSE = 0.0005


class Onlooker:
    """Looks into the database that the engine under measurement works on: ``BENCHMARK_SQLITE``, or ``DATABASE_URL``."""

    def __init__(self) -> None:
        file = os.environ.get("BENCHMARK_SQLITE")
        self._connection: Any = (
            sqlite3.connect(file, isolation_level=None)
            if file
            else psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        )
        self._mark = "?" if file else "%s"

    def wait(self, table: str, condition: str, value: object) -> None:
        """Until the table has a row that meets ``condition``, whose ``{}`` is the value."""
        until(lambda: self.sees(table, condition, value), pause=_PAUSE)

    def sees(self, table: str, condition: str, *values: object) -> bool:
        """Whether the table has a row that meets ``condition``, whose ``{}`` are the values."""
        query = f"SELECT 1 FROM {table} WHERE {condition.format(*[self._mark] * len(values))} LIMIT 1"
        return self._connection.execute(query, values).fetchone() is not None

    def close(self) -> None:
        self._connection.close()
