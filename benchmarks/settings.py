"""The project that is measured. ``DATABASE_URL`` is a PostgreSQL server's; ``BENCHMARK_SQLITE`` is a file."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.frameworks import tasks_framework
from tests.postgres import connection_settings

SECRET_KEY = "only for benchmarks"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django_q",
    "django_workflows",
    "benchmarks.flows",
]
#: Whose backend of Django's Tasks is measured.
_TASKS = os.environ.get("BENCHMARK_TASKS", "django_workflows.tasks.WorkflowsBackend")
TASKS_FRAMEWORK = tasks_framework()
if TASKS_FRAMEWORK:
    TASKS = {"default": {"BACKEND": _TASKS, "QUEUES": []}}
    INSTALLED_APPS += ["django_tasks"] * (TASKS_FRAMEWORK == "django_tasks")
    INSTALLED_APPS += ["django_tasks_db"] * _TASKS.startswith("django_tasks_db.")


def _database() -> dict[str, Any]:
    file = os.environ.get("BENCHMARK_SQLITE")
    if not file:
        url = os.environ.get("DATABASE_URL", "postgresql:///postgres")
        return {"ENGINE": "django.db.backends.postgresql", **connection_settings(url)}
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


# Without it django-q2 itself makes five connections for each of its tasks.
DATABASES = {"default": {**_database(), "CONN_MAX_AGE": None}}
Q_CLUSTER = {
    "name": "benchmark",
    "orm": "default",
    "broker_class": "django_workflows.q2.JournalBroker",
    "workers": 2,
    "timeout": 300,
    "retry": 360,
    "catch_up": False,
    "log_level": "ERROR",
    **json.loads(os.environ.get("BENCHMARK_Q", "{}")),
}
DJANGO_WORKFLOWS: dict[str, Any] = json.loads(os.environ.get("BENCHMARK_WORKFLOWS", "{}"))
