"""``WorkflowsBackend``: enqueued tasks are workflows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

from django.apps import apps
from django.core.checks import CheckMessage, Error

from ..core.commands import check_name
from ..exceptions import InvalidStep
from .framework import BaseTaskBackend, InvalidTask, Task, TaskResult, normalize_json
from .options import TaskOptions, problems, read_options

# What needs models is imported where it is used: tasks are also defined before Django has any.

P = ParamSpec("P")
R = TypeVar("R")

Call = tuple[Sequence[Any], Mapping[str, Any]]


class WorkflowsBackend(BaseTaskBackend):
    """Runs tasks as workflows of one action, named as the task, in the clusters of ``django_workflows``.

    A task is enqueued in the caller's transaction, and the id of its result is the workflow's id. ``OPTIONS`` are
    those of ``TaskOptions``. The queue "default" is the default cluster, any other the cluster of that name.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    @cached_property
    def task_options(self) -> TaskOptions:
        """What can be read of ``OPTIONS``; ``check`` tells of the rest."""
        return read_options(self.options if isinstance(self.options, Mapping) else {})

    def validate_task(self, task: Task[..., Any]) -> None:
        """Raise ``InvalidTask`` for a task that cannot be run here, or that no worker would find."""
        super().validate_task(task)
        path = task.module_path
        if task.func.__module__ == "__main__":
            raise InvalidTask(
                f"{path} is a function of __main__, which no worker can import. Define the task in a module of an app, "
                "its tasks.py for example."
            )
        try:
            check_name(path, what="the path of a task's function")
            check_name(task.queue_name, what="queue_name")
        except InvalidStep as error:
            raise InvalidTask(str(error)) from None
        if apps.models_ready:
            from .definitions import definition_of

            definition_of(task)

    def enqueue(self, task: Task[P, R], args: Any, kwargs: Any) -> TaskResult[P, R]:
        """Store a task, in the caller's transaction if there is one; workers begin with it after the commit.

        Raises ``InvalidTask``, ``TypeError``, ``ValueError`` or ``InvalidArguments`` for what is no JSON,
        ``PayloadTooLarge``; nothing is stored then.
        """
        from .enqueuing import enqueue

        self.validate_task(task)
        return enqueue(self, task, list(normalize_json(args)), normalize_json(kwargs))

    def enqueue_many(self, task: Task[P, R], calls: Iterable[Call]) -> list[TaskResult[P, R]]:
        """Store one task for each ``(args, kwargs)``, all or none, many times as fast as one by one.

        Raises what ``enqueue`` raises, and stores nothing then.
        """
        from .enqueuing import enqueue_many

        self.validate_task(task)
        given = [(list(normalize_json(args)), normalize_json(kwargs)) for args, kwargs in calls]
        return enqueue_many(self, task, given)

    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """The result as it stands now; ``TaskResultDoesNotExist`` if no task has that id."""
        from .results import read_result

        return read_result(result_id)

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """E060: an option that there is not, or a bad value; E061: ``django_workflows`` is not installed."""
        return list(self._problems())

    def _problems(self) -> Iterator[CheckMessage]:
        where = f"TASKS[{self.alias!r}]"
        for problem, hint in problems(self.options):
            yield Error(f"{where}: {problem}", hint=hint, id="django_workflows.E060")
        if not apps.is_installed("django_workflows"):
            yield Error(
                f"{where}: WorkflowsBackend stores tasks as workflows, and their tables are not there.",
                hint='Add "django_q" and "django_workflows" to INSTALLED_APPS, and run manage.py migrate.',
                id="django_workflows.E061",
            )
