"""Checks of ``TASKS`` where the framework of tasks does not check its backends itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django
from django.apps import apps
from django.core.checks import CheckMessage

from ..tasks.discovery import are_tasks_ours


def check_tasks(**kwargs: Any) -> list[CheckMessage]:
    """What ``WorkflowsBackend.check`` says. Django 6 asks it; the package django-tasks does where it is an app."""
    if django.VERSION >= (6, 0) or apps.is_installed("django_tasks") or not are_tasks_ours():
        return []
    return list(_said())


def _said() -> Iterator[CheckMessage]:
    from ..tasks.backend import WorkflowsBackend
    from ..tasks.framework import task_backends

    for backend in task_backends.all():
        if isinstance(backend, WorkflowsBackend):
            yield from backend.check()
