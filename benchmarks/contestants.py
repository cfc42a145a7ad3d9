"""Who is measured, and each one's best settings for each workload, as ``python -m benchmarks.sweep`` found them."""

from __future__ import annotations

import os
from typing import Any

from .engines.engine import Engine

Settings = dict[str, Any]

PEERS = ("absurd", "dbos", "dbos_queue", "procrastinate", "chain", "django_tasks")
#: On SQLite as well.
ON_SQLITE = ("ours", "dbos")
#: Workloads that are asked for on SQLite.
SQLITE_WORKLOADS = ("w1", "w2", "w5", "w6", "tasks")

#: Engines that differ from another one in these workloads only.
ONLY = {"dbos_queue": ("w1", "w2"), "django_tasks": ("tasks",)}

#: By engine and workload; ``""`` is for all that are not named.
BEST: dict[str, dict[str, Settings]] = {
    "absurd": {
        "": {"concurrency": 1, "batch_size": 10, "poll_interval": 0.01},
        "w2": {"concurrency": 1, "batch_size": 1, "poll_interval": 0.001},
        "w6": {"asynchronous": True, "concurrency": 250, "batch_size": 250, "poll_interval": 0.05},
    },
    "dbos": {"": {"threads": 2}},
    "dbos_sqlite": {"": {"threads": 1, "wal": True}},
    "dbos_queue": {"": {"poll": 0.01, "concurrency": 8}},
    "procrastinate": {"": {"concurrency": 10}},
    "chain": {
        "": {"poll": 0.01, "bulk": 10, "queue_limit": 50},
        "w2": {"poll": 0.001, "bulk": 1, "queue_limit": 50},
    },
    "django_tasks": {"": {"interval": 0.01}},
}


def best_settings(engine: str, workload: str) -> Settings:
    on_sqlite = BEST.get(f"{engine}_sqlite") if "BENCHMARK_SQLITE" in os.environ else None
    found = on_sqlite or BEST.get(engine, {})
    return found.get(workload, found.get("", {}))


def open_engine(name: str, settings: Settings) -> Engine:
    """The engine with its workers. Its database is in the environment: ``DATABASE_URL``, or ``BENCHMARK_SQLITE``."""
    return _OPENERS[name](settings)


def _ours(settings: Settings) -> Engine:
    from .engines.ours import Ours

    return Ours(**settings)


def _absurd(settings: Settings) -> Engine:
    from .engines.absurd import AbsurdEngine

    return AbsurdEngine(os.environ["DATABASE_URL"], **settings)


def _dbos(settings: Settings) -> Engine:
    from .engines.dbos import DBOSEngine

    file = os.environ.get("BENCHMARK_SQLITE")
    url = f"sqlite:///{file}" if file else os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
    return DBOSEngine(url, **settings)


def _procrastinate(settings: Settings) -> Engine:
    from .engines.procrastinate import ProcrastinateEngine

    return ProcrastinateEngine(os.environ["DATABASE_URL"], **settings)


def _chain(settings: Settings) -> Engine:
    from .engines.chain import ChainEngine

    return ChainEngine(**settings)


def _django_tasks(settings: Settings) -> Engine:
    from .engines.django_tasks_db import DjangoTasksEngine

    return DjangoTasksEngine(**settings)


_OPENERS = {
    "ours": _ours,
    "absurd": _absurd,
    "dbos": _dbos,
    "dbos_queue": _dbos,
    "procrastinate": _procrastinate,
    "chain": _chain,
    "django_tasks": _django_tasks,
}
