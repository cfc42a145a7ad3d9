"""Checks of the database that holds the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import load_backend

from .. import conf
from ..core.excerpts import preview


def check_database(**kwargs: Any) -> list[CheckMessage]:
    """E002: psycopg's pool breaks under fork; W003, W004: SQLite without IMMEDIATE or WAL; E026: another vendor's."""
    alias = journal_alias()
    database = django_settings.DATABASES.get(alias, {})
    options = database.get("OPTIONS", {})
    vendor = _vendor(str(database.get("ENGINE", "")))
    problems = [*_pool(alias, options), *_other(alias, vendor)]
    if vendor == "sqlite":
        problems += _sqlite(alias, options)
    return problems


def journal_alias() -> str:
    """The alias in DATABASE as it is written, right or wrong; "default" where it cannot be read."""
    try:
        found = conf.user_settings().get("DATABASE", "default")
    except ImproperlyConfigured:
        return "default"
    return found if isinstance(found, str) else preview(found)


def _vendor(engine: str) -> str:
    """What a backend says it is, whatever it is called; "" where it cannot be loaded, which Django itself will say."""
    try:
        return str(load_backend(engine).DatabaseWrapper.vendor) if engine else ""
    except (ImproperlyConfigured, ImportError):
        return name if (name := engine.rpartition(".")[2]) in ("mysql", "oracle") else ""


def _other(alias: str, vendor: str) -> Iterator[CheckMessage]:
    if vendor not in ("postgresql", "sqlite", ""):
        yield Error(
            f"DATABASES[{alias!r}] is {vendor}; the journal needs PostgreSQL or SQLite.",
            hint='Name the alias of such a database in DJANGO_WORKFLOWS["DATABASE"], and in Q_CLUSTER["orm"].',
            id="django_workflows.E026",
        )


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
