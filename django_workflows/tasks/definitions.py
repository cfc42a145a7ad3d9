"""The workflow that a task is run as: one action, under the task's own name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ..core.commands import StepOptions
from ..core.context import WorkflowContext
from ..core.definitions import vouch
from ..core.registry import registry
from ..engine.current import current_step
from ..manager import WorkflowDefinition
from .framework import Task, TaskContext, is_heard, normalize_json, task_backends, task_started
from .results import DEFAULT_QUEUE, read_result
from .told import tell_started


@dataclass(eq=False, kw_only=True)
class TaskDefinition(WorkflowDefinition[Any, Any]):
    """The workflow of one task; ``task`` is as it was defined, without what ``using()`` has changed."""

    task: Task[..., Any]


def definition_of(task: Task[..., Any]) -> TaskDefinition:
    """The workflow that runs a task, registered under the path of the task's function."""
    path = task.module_path
    known = made.get(path)
    if known is not None and known.task.func is task.func and known in registry:
        return known
    run = _step_of(task)
    definition = TaskDefinition(
        name=path, handler=_handler_of(task, run), task=task, queue=queue_of(task), priority=int(task.priority)
    )
    definition.__doc__ = task.func.__doc__
    registry.add(definition)
    registry.functions[path, path] = run
    made[path] = definition
    return definition


def queue_of(task: Task[..., Any]) -> str:
    """The queue of workflows on which a task waits."""
    return "" if task.queue_name == DEFAULT_QUEUE else task.queue_name


#: The definitions that were made, by path.
made: dict[str, TaskDefinition] = {}


def step_options(alias: str) -> StepOptions:
    """The options of the step of a task that was enqueued by that backend; those of none where it is ours no more."""
    backends = getattr(settings, "TASKS", None)
    read_of, options = _read.get(alias, (None, StepOptions()))
    if read_of is not backends:  # in each context of its own the framework makes its backends anew
        options = _read_options(alias)
        _read[alias] = (backends, options)
    return options


#: The options of each backend that was asked for, and the setting of which they were read.
_read: dict[str, tuple[object, StepOptions]] = {}


def _read_options(alias: str) -> StepOptions:
    from .backend import WorkflowsBackend

    try:
        backend = task_backends[alias]
    except ImproperlyConfigured:
        return StepOptions()
    return backend.task_options.for_step() if isinstance(backend, WorkflowsBackend) else StepOptions()


def _handler_of(task: Task[..., Any], run: Callable[..., Any]) -> Callable[..., Any]:
    async def handler(
        step: WorkflowContext,
        args: list[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        backend: str | None = None,
        run_after: datetime | None = None,
    ) -> Any:
        return await step.bound_to(step_options(backend or task.backend)).run_action(
            run, *(args or ()), **(kwargs or {})
        )

    _name_as(handler, task.func)
    return handler


def _step_of(task: Task[..., Any]) -> Callable[..., Any]:
    """What the step of a task runs. It takes any arguments, as JSON has them, and returns JSON where that is possible.

    What cannot be JSON is refused where the result is stored, and not called again for it.
    """
    func, takes_context = task.func, task.takes_context

    def call(*args: Any, **kwargs: Any) -> Any:
        tell_started(task, args, kwargs)
        return _as_json(func(*((_own_context(),) if takes_context else ()), *args, **kwargs))

    async def acall(*args: Any, **kwargs: Any) -> Any:
        if is_heard(task_started):  # and may ask the database
            await sync_to_async(tell_started)(task, args, kwargs)
        else:
            tell_started(task, args, kwargs)
        context = (await sync_to_async(_own_context)(),) if takes_context else ()
        return _as_json(await func(*context, *args, **kwargs))

    run: Any = acall if inspect.iscoroutinefunction(func) else call
    _name_as(run, func)
    run.task_signature = _signature(task)
    vouch(run, task.module_path)
    return run  # type: ignore[no-any-return]


def _signature(task: Task[..., Any]) -> inspect.Signature:
    """The parameters of a task, without its context."""
    signature = inspect.signature(task.func)
    return signature.replace(parameters=list(signature.parameters.values())[int(task.takes_context) :])


def _own_context() -> TaskContext[..., Any]:
    return TaskContext(task_result=read_result(current_step().workflow_id))


def _as_json(value: Any) -> Any:
    try:
        return normalize_json(value)
    except (TypeError, ValueError, RecursionError):
        return value


def _name_as(fn: Any, func: Callable[..., Any]) -> None:
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(fn, name, getattr(func, name))
