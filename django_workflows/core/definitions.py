"""What a workflow's code is: a named handler, its types and its defaults."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial, partialmethod, wraps
from types import BuiltinFunctionType, MethodDescriptorType, MethodWrapperType, ModuleType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from ..exceptions import InvalidDefinition, InvalidStep
from .commands import StepOptions, check_name
from .retry import RetryPolicy, dotted_path
from .signatures import Signature

P = ParamSpec("P")
R = TypeVar("R")

#: Characters of the path of a function, as rows have it.
PATH_LIMIT = 500


@dataclass(eq=False, kw_only=True)
class Definition(Generic[P, R]):
    """A handler and the name under which journals know it.

    ``pool`` names the limit (a manager's) that its steps count against, "" for none. ``retry_actions`` and
    ``retry`` say whether actions are tried again when a step does not say, and how.
    """

    name: str
    handler: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]
    retry_actions: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    queue: str = ""
    priority: int = 0
    pool: str = ""
    api: bool = False

    def __post_init__(self) -> None:
        if not inspect.isfunction(self.handler) or not inspect.iscoroutinefunction(self.handler):
            raise InvalidDefinition(
                f"{self.name}: a handler must be an `async def` whose first parameter is the WorkflowContext"
            )
        try:
            check_name(self.name, what="the name of a workflow definition")
            if self.queue:
                check_name(self.queue, what="queue")
        except InvalidStep as error:
            raise InvalidDefinition(str(error)) from None
        parameters = list(inspect.signature(self.handler).parameters.values())
        if not parameters or parameters[0].kind not in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            raise InvalidDefinition(f"{self.name}: the handler's first parameter must take the WorkflowContext")

    @property
    def signature(self) -> Signature:
        """The types of the handler's arguments, without the context, and of its result."""
        return Signature.of(self.handler, skip=1)

    def retry_policy(self, options: StepOptions, *, action: bool) -> RetryPolicy | None:
        """How a step with these options is tried again; ``None``: not at all. Only actions have a default."""
        wanted = (action and self.retry_actions) if options.retry is None else options.retry
        if isinstance(wanted, RetryPolicy):
            return wanted
        return self.retry if wanted else None


_checked: dict[Any, str] = {}
#: The functions that run tasks which take a context, by the tasks' own functions.
_with_context: dict[Any, Callable[..., Any]] = {}
#: Makes the context of a task that runs as a step. Set when Django starts.
task_context: Callable[[Any], Any] | None = None


def step_function(fn: Any) -> Any:
    """What a step runs where it is given ``fn``: a task's function where that is a task of Django's Tasks.

    The function of a task with ``takes_context=True`` is called with one.
    """
    if not is_task(fn):
        return fn
    if not fn.takes_context:
        return fn.func
    known = _with_context.get(fn.func)
    if known is None:
        known = _with_context[fn.func] = _giving_context(fn)
    return known


def _giving_context(task: Any) -> Callable[..., Any]:
    func = task.func

    def context() -> Any:
        assert task_context is not None
        return task_context(task)

    if inspect.iscoroutinefunction(func):

        @wraps(func)
        async def run(*args: Any, **kwargs: Any) -> Any:
            return await func(context(), *args, **kwargs)

    else:

        @wraps(func)
        def run(*args: Any, **kwargs: Any) -> Any:
            return func(context(), *args, **kwargs)

    signature = inspect.signature(func)
    run.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return run


def vouch(fn: Any, path: str) -> None:
    """Let ``fn`` be the step function of that path, which its module does not have; the caller sees to it that every
    worker finds it.
    """
    _checked[fn] = path


def step_function_path(fn: Any) -> str:
    """The dotted path of a step function; ``InvalidStep`` unless it is a function at the top level of a module."""
    try:
        return _checked[fn]
    except (KeyError, TypeError):
        pass
    path = _check_step_function(fn)
    _checked[fn] = path
    return path


def _check_step_function(fn: Any) -> str:
    if isinstance(fn, Definition):
        raise InvalidStep(f"{fn.name} is a workflow: run it with step.run_workflow")
    if is_task(fn):
        return step_function_path(step_function(fn))
    said = _instead_of(fn)
    if said is not None:
        raise InvalidStep(f"{_describe(fn)} {said}")
    module, qualname = fn.__module__, fn.__qualname__
    if "<" in qualname or "." in qualname or module == "__main__":
        kind = "lambda" if "<lambda>" in qualname else "closure" if "<locals>" in qualname else "method"
        if module == "__main__":
            kind = "function of __main__"
        raise InvalidStep(
            f"{module}.{qualname} is a {kind}, which another process cannot import. "
            "Write a function at the top level of a module, and pass what it needs as arguments. "
            "(If it is decorated, its decorator needs functools.wraps.)"
        )
    found: Any = getattr(sys.modules.get(module), qualname, None)
    # The function behind a task of django.tasks is reached through the task, which has its name.
    if found is not fn and not (is_task(found) and found.func in (fn, getattr(fn, "__wrapped__", None))):
        raise InvalidStep(
            f"{module}.{qualname} is not the function that `from {module} import {qualname}` gives, so that another "
            "process would run something else. If it is decorated, use functools.wraps and pass the decorated one."
        )
    path = dotted_path(fn)
    if len(path) > PATH_LIMIT:
        raise InvalidStep(
            f"the path of a step function can have {PATH_LIMIT} characters, and that of {qualname:.80} has "
            f"{len(path)}. Give the function, or the module that it is in, a shorter name."
        )
    return path


def _instead_of(fn: Any) -> str | None:
    """What to pass in place of something that is no function of a module; ``None`` if it may be one."""
    for matches, said in _OTHERS:
        if matches(fn):
            return said(fn)
    return None


def is_task(fn: Any) -> bool:
    """Whether it is a task of ``django.tasks`` (or of the package for older versions of Django)."""
    return any(
        each.__qualname__ == "Task" and each.__module__.partition(".")[0] in ("django", "django_tasks")
        for each in type(fn).__mro__
    )


def _is_bound(fn: Any) -> bool:
    """Whether it is a method of one of Python's own objects, as ``", ".join`` is."""
    return isinstance(fn, BuiltinFunctionType) and not isinstance(fn.__self__, ModuleType)


def _named(fn: Any) -> str:
    return str(getattr(fn, "__name__", "function"))


#: What is passed in place of functions, and what to write then.
_OTHERS: tuple[tuple[Callable[[Any], bool], Callable[[Any], str]], ...] = (
    (
        inspect.iscoroutine,
        lambda fn: (
            f"is {_named(fn)}() called already: pass the function and its arguments beside it, as in "
            f"step.run_action({_named(fn)}, ...)."
        ),
    ),
    (lambda fn: isinstance(fn, str), lambda fn: "is a text: import the function, and pass it."),
    (
        lambda fn: isinstance(fn, (partial, partialmethod)),
        lambda fn: (
            "is a functools.partial, which has no name by which another process could import it: pass the "
            f"function, and all arguments beside it, as in step.run_action({_named(fn.func)}, ...)."
        ),
    ),
    (
        lambda fn: isinstance(fn, type),
        lambda fn: (
            "is a class: write a function at the top level of a module that makes the instance and does the "
            "work, and pass that."
        ),
    ),
    (
        lambda fn: inspect.ismethod(fn) or isinstance(fn, (MethodDescriptorType, MethodWrapperType)) or _is_bound(fn),
        lambda fn: (
            "is a method, and another process does not have its object: write a function at the top level of a "
            "module that makes or reads the object, and pass it what it needs, an id for example."
        ),
    ),
    (
        lambda fn: not callable(fn),
        lambda fn: "is not a module-level function: write one at the top level of a module, and pass that.",
    ),
    (
        lambda fn: not getattr(fn, "__module__", None) or not getattr(fn, "__qualname__", None),
        lambda fn: (
            f"is an object of {type(fn).__qualname__} and not a module-level function, so that another process "
            "could not import it: write a function at the top level of a module that calls it, and pass that."
        ),
    ),
)


def _describe(fn: Any) -> str:
    return f"{fn!r:.120}"
