"""Reads a database address such as ``postgresql://user:password@host:5432/name`` into Django's ``DATABASES`` form."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SQLITE_OPTIONS = {
    # Without IMMEDIATE two writers that both read first fail with "database is locked", whatever the timeout.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def database_from_url(url: str) -> dict[str, Any]:
    """The ``DATABASES["default"]`` entry for a ``postgresql://`` or ``sqlite:///`` address.

    The query part of a PostgreSQL address goes to the driver (``?sslmode=require``, ``?host=/run/postgresql``).
    Raises ``ImproperlyConfigured`` for any other scheme.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "postgres" | "postgresql":
            return _postgresql(parts.hostname, parts.port, parts.username, parts.password, parts.path, parts.query)
        case "sqlite":
            return sqlite(Path(unquote(parts.path.removeprefix("/"))))
        case other:
            raise ImproperlyConfigured(f"DATABASE_URL has the scheme {other!r}; use postgresql:// or sqlite:///.")


def sqlite(path: Path) -> dict[str, Any]:
    """A SQLite file that web process and workers can write at the same time."""
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": SQLITE_OPTIONS}


def _postgresql(
    host: str | None, port: int | None, user: str | None, password: str | None, path: str, query: str
) -> dict[str, Any]:
    options = dict(parse_qsl(query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(path.removeprefix("/")),
        "HOST": options.pop("host", None) or unquote(host or ""),
        "PORT": options.pop("port", None) or str(port or ""),
        "USER": options.pop("user", None) or unquote(user or ""),
        "PASSWORD": options.pop("password", None) or unquote(password or ""),
        # django-q2 reconnects for every task when this is 0, which halves the throughput.
        "CONN_MAX_AGE": 60,
        "OPTIONS": options,
    }
