"""Checks of the database that holds the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from .. import conf


def check_database(**kwargs: Any) -> list[CheckMessage]:
    """E002: psycopg's pool breaks under fork; W003: SQLite without IMMEDIATE; W004: SQLite without WAL."""
    alias = journal_alias()
    database = django_settings.DATABASES.get(alias, {})
    options = database.get("OPTIONS", {})
    problems = list(_pool(alias, options))
    if str(database.get("ENGINE", "")).endswith("sqlite3"):
        problems += _sqlite(alias, options)
    return problems


def journal_alias() -> str:
    """The alias in DATABASE as it is written, right or wrong; "default" where it cannot be read."""
    try:
        return str(conf.user_settings().get("DATABASE", "default"))
    except ImproperlyConfigured:
        return "default"


def _pool(alias: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if options.get("pool"):
        yield Error(
            f"DATABASES[{alias!r}] uses a connection pool, which django-q2's workers inherit by fork, and then hang.",
            hint='Remove OPTIONS["pool"]; set CONN_MAX_AGE instead.',
            id="django_workflows.E002",
        )


def _sqlite(alias: str, options: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
        yield Warning(
            f"DATABASES[{alias!r}] is SQLite without transaction_mode IMMEDIATE: "
            "code that reads before it writes fails with 'database is locked' beside a running cluster.",
            hint='Set OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20, '
            '"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}.',
            id="django_workflows.W003",
        )
    if "wal" not in str(options.get("init_command", "")).lower():
        yield Warning(
            f"DATABASES[{alias!r}] is SQLite without write-ahead logging: readers and workers block each other.",
            hint='Add "PRAGMA journal_mode=WAL;" to OPTIONS["init_command"].',
            id="django_workflows.W004",
        )
