"""Which database the journal is in, its clock, its transactions, and the few ways in which databases differ."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db import DatabaseError, InterfaceError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import settings
from .repeats import LockFirst, RunAgain, repeatable
from .session import connection_of, drop, may_renew, tidy
from .transient import is_transient, may_be_of_the_session, timed_out
from .write_lock import soon_after_it_is_free

T = TypeVar("T")

_TRIES = 6
#: Seconds after which what reached a time limit of the server is not retried at once.
_ENOUGH = 5.0

#: What a test's clock is ahead of the database's. Moved by ``django_workflows.testing`` only.
clock_offset = timedelta(0)
#: Where a test's clock stands still. Set by ``django_workflows.testing`` only.
frozen_at: datetime | None = None


def alias() -> str:
    return settings.DATABASE  # type: ignore[no-any-return]


def connection() -> BaseDatabaseWrapper:
    return connection_of(alias())


#: By alias: this is asked for dozens of times per step, and to find a connection takes longer.
_vendors: dict[str, str] = {}


def vendor() -> str:
    """Django's word for the journal's database: ``postgresql``, ``sqlite`` or another."""
    found = _vendors.get(alias())
    if found is None:
        found = _vendors[alias()] = connection().vendor
    return found


def is_postgresql() -> bool:
    return vendor() == "postgresql"


def bytes_sql(column: str) -> str:
    """How many bytes a text takes, and not how many letters it has."""
    return f"octet_length({column})" if is_postgresql() else f"length(CAST({column} AS BLOB))"


# -- time


class Moment:
    """The database's time at the start of one statement: the same wherever it stands in that statement."""

    def __init__(self) -> None:
        self._local = local_now() if frozen_at is not None or not is_postgresql() else None

    def sql(self, seconds: float = 0.0) -> str:
        """An SQL expression for that time, ``seconds`` later."""
        if self._local is not None:
            text = _text(self._local + timedelta(seconds=seconds))
            return f"('{text}+00'::timestamptz)" if is_postgresql() else f"'{text}'"
        shift = clock_offset.total_seconds() + seconds
        return f"(statement_timestamp() + interval '{shift:.6f} seconds')" if shift else "statement_timestamp()"


def now_sql(seconds: float = 0.0) -> str:
    """``Moment().sql(seconds)``, for statements that need the time once."""
    return Moment().sql(seconds)


def local_now() -> datetime:
    """The time by this host's clock; SQLite has no other."""
    return frozen_at or datetime.now(UTC) + clock_offset


def now() -> datetime:
    """The database's time; one round trip on PostgreSQL."""
    if not is_postgresql():
        return local_now()
    return read_instant(fetch_one(f"SELECT {now_sql()}")[0])  # type: ignore[index, return-value]


def is_read_only(conn: BaseDatabaseWrapper | None = None) -> bool:
    """Whether the server takes no writes from this session, of the journal's database unless another is given.

    One round trip on PostgreSQL; elsewhere nobody can tell.
    """
    conn = conn or connection()
    if conn.vendor != "postgresql":
        return False
    with conn.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool")
        return bool(cursor.fetchone()[0])


class Clock:
    """What the database's clock says, as far as can be known without asking it."""

    def __init__(self) -> None:
        self._anchor: tuple[datetime, float] | None = None

    def read(self, value: Any) -> datetime:
        """An instant that a statement returned as the database's time."""
        instant = read_instant(value)
        assert instant is not None
        self._anchor = (instant, time.monotonic())
        return instant

    def estimate(self) -> datetime:
        """The database's time, or a little before it: never ahead, so that nothing is taken to be due too early."""
        if self._anchor is None or frozen_at is not None or not is_postgresql():
            return local_now()
        instant, read_at = self._anchor
        return instant + timedelta(seconds=time.monotonic() - read_at)

    def forget(self) -> None:
        self._anchor = None


clock = Clock()


# -- values in and out of hand-written SQL


def _text(instant: datetime) -> str:
    """As Django's SQLite backend stores it."""
    return str((instant if instant.tzinfo is UTC else instant.astimezone(UTC)).replace(tzinfo=None))


def put_instant(instant: datetime | None) -> Any:
    return instant if instant is None or is_postgresql() else _text(instant)


def put_uuid(value: UUID | None) -> Any:
    return value if value is None or is_postgresql() else value.hex


def read_instant(value: Any) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value  # type: ignore[no-any-return]


def read_uuid(value: Any) -> UUID | None:
    return UUID(hex=value) if isinstance(value, str) else value


def read_duration(value: Any) -> timedelta | None:
    return timedelta(microseconds=value) if isinstance(value, int) else value


def fetch_one(sql: str, params: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    with connection().cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    return rows[0] if rows else None


def fetch_all(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection().cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def execute(sql: str, params: Sequence[Any] = ()) -> int:
    """Run a statement; how many rows it changed."""
    with connection().cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def execute_many(sql: str, rows: Sequence[Sequence[Any]]) -> None:
    if len(rows) == 1:
        execute(sql, rows[0])
    elif rows:
        with connection().cursor() as cursor:
            cursor.executemany(sql, rows)


# -- transactions


@contextmanager
def atomic(*, write: bool = True) -> Iterator[None]:
    """A transaction on the journal's database, or a savepoint inside the caller's.

    On SQLite a writing one takes the write lock at once, so that it cannot fail half-way for want of it, and a reading
    one does not take it.
    """
    conn = connection()
    if conn.in_atomic_block:
        with transaction.atomic(using=alias()):
            yield
        return
    try:
        with transaction.atomic(using=alias()) if vendor() != "sqlite" else _OnSQLite(write):
            yield
    finally:
        tidy(conn)


class _OnSQLite(transaction.Atomic):
    """An outermost transaction on SQLite, in the mode that is asked for, whatever the project's usual one is."""

    def __init__(self, write: bool) -> None:
        super().__init__(using=alias(), savepoint=True, durable=False)
        self._write = write

    def __enter__(self) -> None:
        conn: Any = connection()
        conn.ensure_connection()  # the mode is not known before
        usual, conn.transaction_mode = conn.transaction_mode, "IMMEDIATE" if self._write else "DEFERRED"
        try:
            if self._write:
                soon_after_it_is_free(conn, super().__enter__)
            else:
                super().__enter__()
        finally:
            conn.transaction_mode = usual


def retrying(change: Callable[[], T]) -> T:
    """Run ``change``, a whole transaction, again when it failed for a reason that passes.

    Deadlock, serialization failure, SQLite busy, lost connection: a few times, with jitter. Inside a caller's
    transaction it runs once, since only the caller can repeat that one.
    """
    token = repeatable.set(not connection().in_atomic_block)
    try:
        while True:
            with suppress(RunAgain):
                return _retrying(change)
    except LockFirst as order:
        # Once is enough: it cannot be raised by who has that lock.
        repeatable.set(False)
        return _retrying(partial(_behind, order.take, change))
    finally:
        repeatable.reset(token)


def _behind(take: Callable[[], None], change: Callable[[], T]) -> T:
    with atomic():
        take()
        return change()


def _retrying(change: Callable[[], T]) -> T:
    began, renewed = time.monotonic(), False
    for attempt in range(1, _TRIES + 1):
        try:
            return change()
        except (DatabaseError, InterfaceError) as error:
            conn = connection()
            if conn.in_atomic_block or attempt == _TRIES or (timed_out(error) and time.monotonic() - began > _ENOUGH):
                raise
            # A worker's session may have been changed by a database function, which nobody saw: once more on a new one.
            renews = not renewed and may_renew(conn) and may_be_of_the_session(error)
            if not renews and not is_transient(error):
                raise
        if renews:
            renewed = True
            drop(conn)
        conn.close_if_unusable_or_obsolete()
        time.sleep(random.uniform(0.5, 1.5) * 0.01 * 3 ** (attempt - 1))  # noqa: S311 - jitter, no secret
    raise AssertionError("unreachable")
