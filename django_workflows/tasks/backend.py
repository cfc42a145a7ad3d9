"""``WorkflowsBackend``: enqueued tasks are workflows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.apps import apps
from django.core.checks import CheckMessage, Error

from ..conf import settings
from ..core.codec import PLAIN
from ..core.commands import check_name
from ..engine.start import StartOptions, start
from ..engine.start_many import start_many
from ..exceptions import InvalidArguments, InvalidPayload, InvalidStep, PayloadTooLarge
from .definitions import definition_of
from .framework import BaseTaskBackend, InvalidTask, Task, TaskResult, TaskResultStatus, normalize_json
from .options import TaskOptions, problems, read_options
from .results import DEFAULT_QUEUE, enqueued_at, read_result
from .told import tell_enqueued

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
        definition_of(task)

    def enqueue(self, task: Task[P, R], args: Any, kwargs: Any) -> TaskResult[P, R]:
        """Store a task, in the caller's transaction if there is one; workers begin with it after the commit.

        Raises ``InvalidTask``, ``TypeError``, ``ValueError`` or ``InvalidArguments`` for what is no JSON,
        ``PayloadTooLarge``; nothing is stored then.
        """
        self.validate_task(task)
        args, kwargs = list(normalize_json(args)), normalize_json(kwargs)
        workflow_id = start(definition_of(task), self._arguments(task, args, kwargs), self._start_options(task))
        return self._enqueued(task, workflow_id, args, kwargs)

    def enqueue_many(self, task: Task[P, R], calls: Iterable[Call]) -> list[TaskResult[P, R]]:
        """Store one task for each ``(args, kwargs)``, all or none, many times as fast as one by one.

        Raises what ``enqueue`` raises, and stores nothing then.
        """
        self.validate_task(task)
        given = [(list(normalize_json(args)), normalize_json(kwargs)) for args, kwargs in calls]
        texts = [self._arguments(task, args, kwargs) for args, kwargs in given]
        ids = start_many(definition_of(task), texts, self._start_options(task))
        return [self._enqueued(task, each, *call) for each, call in zip(ids, given, strict=True)]

    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """The result as it stands now; ``TaskResultDoesNotExist`` if no task has that id."""
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

    def _start_options(self, task: Task[..., Any]) -> StartOptions:
        queue = "" if task.queue_name == DEFAULT_QUEUE else task.queue_name
        return StartOptions(
            run_at=task.run_after, retain_for=self.task_options.retain_for, queue=queue, priority=int(task.priority)
        )

    def _arguments(self, task: Task[..., Any], args: list[Any], kwargs: dict[str, Any]) -> str:
        """The arguments of the workflow; what is as usual is left out."""
        given: dict[str, Any] = {"args": args, "kwargs": kwargs}
        if self.alias != "default":
            given["backend"] = self.alias
        if task.run_after is not None:
            given["run_after"] = task.run_after.isoformat()
        what = f"arguments of {task.module_path}"
        try:
            return PLAIN.encode(given, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
        except PayloadTooLarge:
            raise
        except InvalidPayload as error:
            raise InvalidArguments(str(error)) from error

    def _enqueued(
        self, task: Task[P, R], workflow_id: UUID, args: list[Any], kwargs: dict[str, Any]
    ) -> TaskResult[P, R]:
        result: TaskResult[P, R] = TaskResult(
            task=task,
            id=str(workflow_id),
            status=TaskResultStatus.READY,
            enqueued_at=enqueued_at(workflow_id),
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        tell_enqueued(type(self), result)
        return result
