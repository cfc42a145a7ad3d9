"""The database alone: as many commits as clients can make that do nothing else."""

from __future__ import annotations

import multiprocessing
import time
import uuid

import psycopg

CLIENTS = 2

_TABLES = """
CREATE TABLE floor_workflow (id uuid PRIMARY KEY, version bigint NOT NULL);
CREATE TABLE floor_step (id bigserial PRIMARY KEY, workflow uuid NOT NULL, number int NOT NULL, result text NOT NULL,
    UNIQUE (workflow, number));
"""
#: A journal's least: the step's result, and the workflow's row that fences it.
_COMMIT = """
WITH step AS (INSERT INTO floor_step (workflow, number, result) VALUES (%s, %s, %s))
UPDATE floor_workflow SET version = version + 1 WHERE id = %s
"""


def commits_per_second(dsn: str, seconds: float, clients: int = CLIENTS) -> float:
    """Single-statement journal commits by raw psycopg clients, prepared, each on rows of its own."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS floor_step, floor_workflow")
        connection.execute(_TABLES)
    with multiprocessing.get_context("spawn").Pool(clients) as pool:
        return sum(pool.starmap(_commit, [(dsn, seconds)] * clients))


def _commit(dsn: str, seconds: float) -> float:
    with psycopg.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
        workflow, count = uuid.uuid4(), 0
        cursor.execute("INSERT INTO floor_workflow VALUES (%s, 1)", [workflow])
        began = time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            cursor.execute(_COMMIT, [workflow, count, "1", workflow], prepare=True)
            count += 1
        return count / elapsed
