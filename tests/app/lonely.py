"""A task outside of ``tasks.py``, in a module that nothing imports: django.tasks or django_tasks."""

from importlib import import_module
from typing import Any

from django.conf import settings

task: Any = import_module(settings.TASKS_FRAMEWORK).task


@task
def lonely() -> str:
    return "found"
