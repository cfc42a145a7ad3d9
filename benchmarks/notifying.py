"""What NOTIFY costs where many clients commit at once, measured with the database alone."""

from __future__ import annotations

import multiprocessing
import time

import psycopg

from .workloads import Figures

CLIENTS = (1, 4, 8)
SECONDS = 2.0
_INSERT = "INSERT INTO notified (number) VALUES (%s)"
_NOTIFY = "SELECT pg_notify('benchmark', '')"
#: By how it is done: the statements of one transaction, and those sent after it.
WAYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "without": ((_INSERT,), ()),
    "with": ((_INSERT, _NOTIFY), ()),
    "after": ((_INSERT,), (_NOTIFY,)),
}


def notifying(dsn: str) -> dict[int, Figures]:
    """Commits per second by number of clients: ``without`` NOTIFY, ``with`` it in the transaction, ``after`` it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE notified (id bigserial PRIMARY KEY, number int NOT NULL)")
    return {
        clients: {f"commits_{way}_notify_per_s": _commits(dsn, clients, way) for way in WAYS} for clients in CLIENTS
    }


def _commits(dsn: str, clients: int, way: str) -> float:
    with multiprocessing.get_context("spawn").Pool(clients) as pool:
        return sum(pool.starmap(_commit, [(dsn, way)] * clients))


def _commit(dsn: str, way: str) -> float:
    inside, after = WAYS[way]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT 1")
        count, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < SECONDS:
            with connection.transaction():
                for statement in inside:
                    connection.execute(statement, [count] if statement == _INSERT else None, prepare=True)  # type: ignore[arg-type]
            for statement in after:
                connection.execute(statement, prepare=True)  # type: ignore[arg-type]
            count += 1
        return count / elapsed
