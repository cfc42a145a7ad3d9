"""Which framework of tasks there is: ``django.tasks`` of Django 6, or the package ``django-tasks`` for older ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

#: The framework's own receivers of its signals, by ``id()``. They log a task's id, path and status, nothing else.
LOGGING_RECEIVERS = {id(each) for name, each in vars(_signals).items() if name.startswith("log_task_")}

__all__ = [
    "LOGGING_RECEIVERS",
    "BaseTaskBackend",
    "InvalidTask",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultStatus",
    "normalize_json",
    "task_backends",
    "task_enqueued",
    "task_finished",
    "task_started",
]
