"""``DATABASE_URL`` in the example project's settings."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from example_project.database import database_from_url, sqlite


def test_postgresql_with_everything() -> None:
    found = database_from_url("postgresql://ann:p%40ss@db.example:5433/shop?sslmode=require")
    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert (found["NAME"], found["USER"], found["PASSWORD"]) == ("shop", "ann", "p@ss")
    assert (found["HOST"], found["PORT"]) == ("db.example", "5433")
    assert found["OPTIONS"] == {"sslmode": "require"}


def test_postgresql_on_a_socket() -> None:
    found = database_from_url("postgres:///shop?host=/run/postgresql&user=ann")
    assert (found["NAME"], found["HOST"], found["PORT"], found["USER"]) == ("shop", "/run/postgresql", "", "ann")
    assert found["OPTIONS"] == {}


def test_postgresql_does_not_use_the_connection_pool() -> None:
    assert "pool" not in database_from_url("postgresql:///shop")["OPTIONS"]


@pytest.mark.parametrize(
    ("url", "path"), [("sqlite:///db.sqlite3", "db.sqlite3"), ("sqlite:////var/x.db", "/var/x.db")]
)
def test_sqlite_is_ready_for_several_writers(url: str, path: str) -> None:
    found = database_from_url(url)
    assert found == sqlite(Path(path))
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "WAL" in found["OPTIONS"]["init_command"]


@pytest.mark.parametrize("url", ["mysql://localhost/shop", "shop"])
def test_another_database_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="use postgresql:// or sqlite:///"):
        database_from_url(url)
