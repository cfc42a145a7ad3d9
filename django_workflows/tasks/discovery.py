"""Finds the modules in which tasks are defined, so that each worker knows the tasks of all of them.

What to import is decided by the code that is installed: modules of the project's apps that use a framework of tasks,
and each app's ``tasks`` module. A row's name of a task only chooses among these.
"""

from __future__ import annotations

import logging
import re
import sys
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from ..core.definitions import is_task

logger = logging.getLogger("django_workflows")

_USES_TASKS = re.compile(rb"\bdjango[._]tasks\b|\bdjango_workflows\.tasks\b")
_CONVENTIONAL = "tasks"


def are_tasks_ours() -> bool:
    """Whether a backend of ``TASKS`` is ours, or a class of the project's own that derives from it."""
    backends = getattr(settings, "TASKS", None)
    if not isinstance(backends, dict):
        return False
    return any(_is_ours(each.get("BACKEND")) for each in backends.values() if isinstance(each, dict))


def _is_ours(path: object) -> bool:
    if not isinstance(path, str) or path.startswith(("django.tasks.", "django_tasks.")):
        return False
    try:
        from .backend import WorkflowsBackend

        found = import_string(path)
    except ImportError:  # the framework says so where the backend is used
        return False
    return isinstance(found, type) and issubclass(found, WorkflowsBackend)


def import_tasks() -> None:
    """Import each app's ``tasks`` module that defines tasks of Django's."""
    for config in apps.get_app_configs():
        file = _file_of(f"{config.name}.{_CONVENTIONAL}")
        if file is not None and _uses_tasks(file):
            import_module(f"{config.name}.{_CONVENTIONAL}")


def find_task(name: str) -> None:
    """Have the registry know the task of that name, if there is one: ``registry`` asks for what it does not know."""
    module_name, _, function = name.rpartition(".")
    if not module_name or not are_tasks_ours():
        return
    module = sys.modules.get(module_name) or _imported(module_name)
    task: Any = getattr(module, function, None)
    if is_task(task) and task.module_path == name:
        from .definitions import definition_of

        definition_of(task)


def _imported(name: str) -> Any:
    if not _may_have_tasks(name):
        return None
    try:
        return import_module(name)
    except Exception:
        logger.exception("The module %s, in which a task is defined, cannot be imported", name)
        return None


@lru_cache(maxsize=1024)
def _may_have_tasks(name: str) -> bool:
    file = _file_of(name)
    return file is not None and (name.rpartition(".")[2] == _CONVENTIONAL or _uses_tasks(file))


def _uses_tasks(file: Path) -> bool:
    return _USES_TASKS.search(file.read_bytes()) is not None


def _file_of(module: str) -> Path | None:
    """The source of a module of an installed app, found without importing anything; ``None`` for all others."""
    if not all(part.isidentifier() for part in module.split(".")):
        return None
    for config in apps.get_app_configs():
        if module.startswith(f"{config.name}."):
            inside = Path(config.path, *module.removeprefix(f"{config.name}.").split("."))
            for file in (inside.with_name(f"{inside.name}.py"), inside / "__init__.py"):
                if file.is_file():
                    return file
    return None
