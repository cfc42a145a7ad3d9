"""Asks whether the databases of a cluster can be used, in a process of its own: one that hangs holds up nobody."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import Pipe, connection
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections
from django_q.conf import Conf

from ...checks.live.schema import check_schema
from ...store.database import alias, is_read_only
from ...store.transient import is_transient
from .crew import kill, spawn
from .member import begin

#: Seconds that an answer may take, and between two looks at whether to stop.
_LONGEST, _TICK = 60.0, 0.1
#: What PostgreSQL and PgBouncer say, without a state, of a database or a user that will not be there after a while.
_NO_OUTAGE = (
    "does not exist",
    "no such database",
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "not permitted to log in",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """``away``: why the databases cannot be used at the moment; ``wrong``: what no waiting helps against. "" if not."""

    away: str = ""
    wrong: str = ""

    @property
    def well(self) -> bool:
        return not (self.away or self.wrong)


def ask(stop: Callable[[], bool]) -> Answer:
    """Whether they can be used; as if all were well once ``stop()`` says so."""
    connections.close_all()
    reader, writer = Pipe(duplex=False)
    process = spawn(_answer, writer)
    writer.close()
    until = time.monotonic() + _LONGEST
    try:
        while not stop() and time.monotonic() < until:
            if connection.wait([reader, process.sentinel], _TICK):
                return _read(reader)
    finally:
        kill(process, wait=1.0)
        reader.close()
    return Answer() if stop() else Answer(away=f"it gave no answer within {_LONGEST:g} s")


def _read(reader: Any) -> Answer:
    try:
        found: Answer = reader.recv()
    except EOFError:
        return Answer(away="the process that asked it died")
    return found


def _answer(writer: Any, parent: int) -> None:
    begin(parent)
    try:
        for name in dict.fromkeys([alias(), *([Conf.ORM] if Conf.ORM else [])]):
            _use(name)
        answer = _schema()
    except ImproperlyConfigured as error:
        answer = Answer(wrong=str(error))
    except (DatabaseError, InterfaceError) as error:
        answer = _of(error)
    writer.send(answer)


def _use(name: str) -> None:
    """Read from a database, and see that it can be written. Raises its errors."""
    conn = connections[name]
    if conn.vendor == "postgresql":
        if is_read_only(conn):
            raise InterfaceError(f"database {name!r} can only be read at present: is it a standby?")
        return
    with conn.cursor() as cursor:
        if conn.vendor == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")
        else:
            cursor.execute("SELECT 1")


def _of(error: DatabaseError | InterfaceError) -> Answer:
    text = " ".join(str(error).split())
    hopeless = not is_transient(error) or any(each in text for each in _NO_OUTAGE)
    return Answer(wrong=f"The database cannot be used: {text}. Fix DATABASES") if hopeless else Answer(away=text)


def _schema() -> Answer:
    """Whether all that this code needs was migrated, at little cost if so."""
    ours = {each.name for each in pkgutil.iter_modules(import_module("django_workflows.migrations").__path__)}
    try:
        with connections[alias()].cursor() as cursor:
            cursor.execute("SELECT name FROM django_migrations WHERE app = 'django_workflows'")
            if ours <= {row[0] for row in cursor.fetchall()}:
                return Answer()
    except DatabaseError as error:
        if is_transient(error):
            raise
    errors = [f"{each.msg} Run {str(each.hint).partition('. ')[0]}" for each in check_schema()]
    return Answer(wrong=" ".join(errors))
