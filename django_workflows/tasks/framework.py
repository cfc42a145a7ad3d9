"""Which framework of tasks there is: ``django.tasks`` of Django 6, or the package ``django-tasks`` for older ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

if TYPE_CHECKING:
    from django.tasks import signals as _signals
    from django.tasks import task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
    from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started

    def normalize_json(obj: Any) -> Any: ...

else:
    try:
        from django.tasks import signals as _signals
        from django.tasks import task_backends
        from django.tasks.backends.base import BaseTaskBackend
        from django.tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
        from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
        from django.tasks.signals import task_enqueued, task_finished, task_started
        from django.utils.json import normalize_json
    except ImportError:
        try:
            from django_tasks import exceptions as _exceptions
            from django_tasks import signals as _signals
            from django_tasks import task_backends
            from django_tasks.backends.base import BaseTaskBackend
            from django_tasks.base import Task, TaskContext, TaskError, TaskResult, TaskResultStatus
            from django_tasks.exceptions import TaskResultDoesNotExist
            from django_tasks.signals import task_enqueued, task_finished, task_started
            from django_tasks.utils import normalize_json

            # Its name until version 0.12, and the one that it has in Django.
            InvalidTask = getattr(_exceptions, "InvalidTask", None) or _exceptions.InvalidTaskError
        except ImportError as error:
            raise ImportError(
                "django_workflows.tasks.WorkflowsBackend needs django.tasks, which Django has from version 6.0, or the "
                "package django-tasks: pip install django-tasks"
            ) from error

# The framework's own receivers, which log a task's id, path and status and look at nothing else.
_LOGGING = {id(each) for name, each in vars(_signals).items() if name.startswith("log_task_")}


def is_heard(signal: Signal) -> bool:
    """Whether anybody but the framework's logging hears a signal."""
    return any(key[0] not in _LOGGING for key, *_ in signal.receivers)


def is_logged(level: int) -> bool:
    """Whether the framework's logging writes what it is told at this level."""
    return _signals.logger.isEnabledFor(level)


__all__ = [
    "BaseTaskBackend",
    "InvalidTask",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultStatus",
    "is_heard",
    "is_logged",
    "normalize_json",
    "task_backends",
    "task_enqueued",
    "task_finished",
    "task_started",
]
