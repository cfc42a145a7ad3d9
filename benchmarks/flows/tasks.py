"""A task that does as little as can be done, by whichever of django.tasks and django_tasks is here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings

task: Any = import_module(settings.TASKS_FRAMEWORK).task


@task
def nothing(number: int) -> int:
    return number
