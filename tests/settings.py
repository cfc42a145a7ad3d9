"""The project that the tests run in, in the pytest process and in every process that a test starts.

The environment chooses what differs between them:

``DJANGO_WORKFLOWS_TEST_DB``         ``sqlite`` (default) or ``postgres``
``DJANGO_WORKFLOWS_TEST_DB_NAME``    the database itself: the test database of the pytest process that starts this one
``DATABASE_URL``                     the PostgreSQL server
``DJANGO_WORKFLOWS_TEST_Q``          JSON object, laid over ``Q_CLUSTER``
``DJANGO_WORKFLOWS_TEST_SETTINGS``   JSON object, is ``DJANGO_WORKFLOWS``
``DJANGO_WORKFLOWS_TEST_LOG_LEVEL``  for django-q2's and our loggers
``DJANGO_WORKFLOWS_TEST_STACKS``     when set, processes say on SIGUSR2 where they are in their code
"""

import faulthandler
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import django

from tests.frameworks import tasks_framework
from tests.postgres import connection_settings

# The shop of the documentation's examples, which they import as `shop`.
sys.path.append(str(Path(__file__).parent / "docs" / "project"))

SECRET_KEY = "only for tests, and the same in every process of a test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.urls"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "django_q",
    "django_workflows",
    "example_project.weather",
    "example_project.live",
    "example_project.onboarding",
    "example_project.approvals",
    "example_project.series",
    "example_project.countries",
    "example_project.jobs",
    "example_project.follow",
    "tests.app",
    "shop",
]
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
TASKS_FRAMEWORK = tasks_framework()
if TASKS_FRAMEWORK == "django_tasks":
    INSTALLED_APPS.append("django_tasks")
if TASKS_FRAMEWORK:
    TASKS = {
        "default": {"BACKEND": "django_workflows.tasks.WorkflowsBackend", "QUEUES": []},
        "patient": {
            "BACKEND": "django_workflows.tasks.WorkflowsBackend",
            "OPTIONS": {"retry": {"max_attempts": 3, "initial_backoff": 0.01}, "timeout": 30, "retain_for": 3600},
        },
        "immediate": {"BACKEND": f"{TASKS_FRAMEWORK}.backends.immediate.ImmediateBackend", "QUEUES": []},
    }
MIGRATION_MODULES = {"tests_app": None, "shop": None}
MIDDLEWARE = [
    "example_project.csp.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _database() -> dict[str, Any]:
    kind = os.environ.get("DJANGO_WORKFLOWS_TEST_DB", "sqlite")
    name = os.environ.get("DJANGO_WORKFLOWS_TEST_DB_NAME")
    if kind == "postgres":
        # Without a URL the server is not up yet: pytest starts it and fills in the rest (conftest.py).
        url = os.environ.get("DATABASE_URL", "postgresql:///postgres")
        database = {"ENGINE": "django.db.backends.postgresql", **connection_settings(url)}
        return {**database, "NAME": name} if name else database
    if kind == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            # Tests never use this one: conftest.py gives each pytest process a file of its own.
            "NAME": name or ":memory:",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    raise ValueError(f"DJANGO_WORKFLOWS_TEST_DB is {kind!r}; it can be 'sqlite' or 'postgres'")


DATABASES = {"default": _database()}

Q_CLUSTER: dict[str, Any] = {
    "name": "tests",
    "orm": "default",
    "broker_class": "django_workflows.q2.JournalBroker",
    "workers": 2,
    "timeout": 60,
    "retry": 90,
    "poll": 0.2,
    "guard_cycle": 0.5,
    "catch_up": False,
    **json.loads(os.environ.get("DJANGO_WORKFLOWS_TEST_Q", "{}")),
}
DJANGO_WORKFLOWS: dict[str, Any] = json.loads(os.environ.get("DJANGO_WORKFLOWS_TEST_SETTINGS", "{}"))

if os.environ.get("DJANGO_WORKFLOWS_TEST_STACKS"):
    faulthandler.register(signal.SIGUSR2)

_log_level = os.environ.get("DJANGO_WORKFLOWS_TEST_LOG_LEVEL", "WARNING")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "process": {"format": "%(asctime)s %(process)d %(levelname)s %(name)s %(message)s", "datefmt": "%H:%M:%S"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "process"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django-q": {"level": _log_level}, "django_workflows": {"level": _log_level}},
}
