"""Which framework of tasks the tests and benchmarks have."""

from __future__ import annotations

from importlib.util import find_spec

import django


def tasks_framework() -> str:
    """Django's own Tasks, from 6.0 on, else the package for older versions where it is installed, else ""."""
    if django.VERSION >= (6, 0):
        return "django.tasks"
    return "django_tasks" if find_spec("django_tasks") is not None else ""
