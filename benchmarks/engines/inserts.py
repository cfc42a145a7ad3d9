"""The ORM alone: as many rows as processes can insert through it that do nothing else."""

from __future__ import annotations

import multiprocessing
import time
import uuid

from .engine import PROCESSES

#: As many to a commit as a workflow of W1 has steps.
_TO_A_COMMIT = 10


def inserts_per_second(seconds: float) -> float:
    """Rows a second, in the database of the Django project that is set up in this process."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        return sum(pool.map(_insert, [seconds] * PROCESSES, chunksize=1))


def _insert(seconds: float) -> float:
    import django

    django.setup()
    from django.db import connections, transaction

    from benchmarks.flows.steps import insert

    workflow, count = uuid.uuid4(), 0
    insert(workflow, -1)  # the connection is made before
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        with transaction.atomic():
            for number in range(_TO_A_COMMIT):
                insert(workflow, number)
        count += _TO_A_COMMIT
    connections.close_all()
    return count / elapsed
