"""The PostgreSQL that is measured: a server of its own that keeps every promise, with a database for each run."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.postgres import PostgresServer


def durable_server(**options: str) -> PostgresServer:
    """A server with ``fsync`` and ``synchronous_commit`` on; ``options`` are settings beside those it comes with."""
    return PostgresServer(durable=True, **options)


def new_database(server: PostgresServer, name: str) -> str:
    """An empty database; gives its address."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return on_server(server.dsn, name)


def query(dsn: str, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """All rows of one statement, on a connection of its own."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(sql, params or None)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def on_server(address: str, name: str) -> str:
    """The address of another database of the same server."""
    return address.replace("/postgres?", f"/{name}?")
