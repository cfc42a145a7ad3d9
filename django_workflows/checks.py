"""System checks: what would go wrong later, said at start-up with a hint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from . import conf


@register("django_workflows")
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """E001: a key of DJANGO_WORKFLOWS is unknown, or its value is wrong."""
    try:
        problems = list(conf.problems())
    except ImproperlyConfigured as error:
        return [Error(str(error), id="django_workflows.E001")]
    known = ", ".join(conf.SETTINGS)
    return [
        Error(f"DJANGO_WORKFLOWS: {problem}", hint=f"The settings are {known}.", id="django_workflows.E001")
        for _, problem in problems
    ]


@register("django_workflows")
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """E002: psycopg's pool breaks under fork; W003: SQLite without IMMEDIATE; W004: SQLite without WAL."""
    return list(_database_problems())


def _database_problems() -> Iterator[CheckMessage]:
    alias = conf.user_settings().get("DATABASE", "default")
    database = django_settings.DATABASES.get(alias, {})
    options = database.get("OPTIONS", {})
    if options.get("pool"):
        yield Error(
            f"DATABASES[{alias!r}] uses a connection pool, which django-q2's workers inherit by fork, and then hang.",
            hint='Remove OPTIONS["pool"]; set CONN_MAX_AGE instead.',
            id="django_workflows.E002",
        )
    if not str(database.get("ENGINE", "")).endswith("sqlite3"):
        return
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


@register("django_workflows")
def check_cluster(**kwargs: Any) -> list[CheckMessage]:
    """E005: django-q2 is not installed; W006: its timeout is too short for a drain and a step."""
    if "django_q" not in {name.split(".")[0] for name in django_settings.INSTALLED_APPS}:
        return [
            Error(
                "django_workflows runs on django-q2, which is not in INSTALLED_APPS.",
                hint='Add "django_q" to INSTALLED_APPS, before "django_workflows".',
                id="django_workflows.E005",
            )
        ]
    cluster = getattr(django_settings, "Q_CLUSTER", {})
    timeout = cluster.get("timeout")
    try:
        drain = conf.settings.DRAIN_SECONDS
    except ImproperlyConfigured:
        return []
    if timeout is not None and timeout <= 2 * drain:
        return [
            Warning(
                f'Q_CLUSTER["timeout"] is {timeout} s: django-q2 counts it from the start of a round of work, '
                f"which takes up to DRAIN_SECONDS ({drain:g} s), so a step may get as little as {timeout - drain:g} s.",
                hint="Raise the timeout to the longest step plus DRAIN_SECONDS, or lower DRAIN_SECONDS.",
                id="django_workflows.W006",
            )
        ]
    return []
