"""What the tests with real clusters share: a log outside of the database, short leases, other brokers."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.core.management import call_command
from django.db import connection
from django_q.conf import Conf

from django_workflows.q2.nudge import delays_messages, watches_journal
from tests.postgres import PostgresServer, connection_settings
from tests.waiting import PATIENCE, wait_for

#: Settings for tests that wait for a lease to end.
SHORT_LEASE = {"LEASE": 3, "TURN_TIMEOUT": 2}


class Note(NamedTuple):
    text: str
    pid: int
    at: float


class Log:
    """What step functions did, in order, in whatever process, committed or not."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    @property
    def notes(self) -> list[Note]:
        if not os.path.exists(self.path):  # noqa: PTH110
            return []
        lines = (line.split() for line in Path(self.path).read_text().splitlines())
        return [Note(text, int(pid), float(at)) for text, pid, at in lines]

    @property
    def texts(self) -> list[str]:
        return [note.text for note in self.notes]

    def wait_for(self, text: str, timeout: float = PATIENCE) -> Note:
        """The first note of that text, as soon as there is one."""

        def found() -> list[Note]:
            return [note for note in self.notes if note.text == text]

        return wait_for(found, timeout, message=f"no {text!r} in the log, only {self.texts}")[0]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "steps.log")


@pytest.fixture
def server(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresServer]:
    """A PostgreSQL for this test alone, which it may stop; this process and its clusters use it."""
    settings = connection.settings_dict  # the same one in every thread
    usual = dict(settings)
    with PostgresServer() as server:
        connection.close()
        settings.update(connection_settings(server.dsn))
        monkeypatch.setenv("DATABASE_URL", server.dsn)
        try:
            call_command("migrate", verbosity=0, run_syncdb=True)
            yield server
        finally:
            connection.close()
            settings.clear()
            settings.update(usual)


@pytest.fixture
def plain_orm(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, None]]:
    """This process uses django-q2's own ORM broker; what it gives, laid over ``Q_CLUSTER``, makes a cluster do so."""
    monkeypatch.setattr(Conf, "BROKER_CLASS", None)
    _ask_again()
    yield {"broker_class": None}
    monkeypatch.undo()
    _ask_again()


@pytest.fixture
def message_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """As ``plain_orm``, with a broker that can neither delay a message nor deliver it twice, as with Redis."""
    q = {"broker_class": "tests.app.message_broker.FolderBroker", "folder": str(tmp_path / "messages")}
    monkeypatch.setattr(Conf, "BROKER_CLASS", q["broker_class"])
    monkeypatch.setitem(Conf.conf, "folder", q["folder"])
    _ask_again()
    yield q
    monkeypatch.undo()
    _ask_again()


def _ask_again() -> None:
    watches_journal.cache_clear()
    delays_messages.cache_clear()
