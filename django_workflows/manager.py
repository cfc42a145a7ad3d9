"""``WorkflowManager``: how users define, start and look after workflows."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db.models import QuerySet

from .conf import settings
from .core.context import WorkflowContext
from .core.definitions import Definition
from .core.durations import Duration, to_seconds
from .core.registry import registry
from .core.retry import RetryPolicy, dotted_path
from .core.status import WorkflowStatus
from .engine import cleanup as cleanup_verb
from .engine import observe
from .engine.start import StartOptions, start
from .exceptions import InvalidArguments, InvalidDefinition, WorkflowNotFound
from .models import Step, Workflow
from .store import steps as step_store
from .store import workflows

P = ParamSpec("P")
R = TypeVar("R")

Handler = Callable[Concatenate[WorkflowContext, P], Coroutine[Any, Any, R]]


class WorkflowDefinition(Definition[P, R]):
    """A defined workflow. ``start`` takes the handler's own arguments, without the context."""

    def start(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Start one, in the caller's transaction if there is one; returns its id.

        Raises ``InvalidArguments``, and stores nothing, if the arguments do not fit the handler's annotations.
        """
        return self._start(StartOptions(), args, kwargs)

    async def astart(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """``start``, for async code."""
        return await sync_to_async(self._start)(StartOptions(), args, kwargs)

    def with_options(self, **options: Any) -> BoundDefinition[P, R]:
        """This definition with options for ``start``: see ``StartOptions`` for what there is."""
        return BoundDefinition(self, StartOptions().derive(**options))

    def _start(self, options: StartOptions, args: Any, kwargs: Any) -> UUID:
        text = self.signature.encode_arguments(
            args, kwargs, what=f"arguments of {self.name}", max_bytes=settings.MAX_PAYLOAD_BYTES, apply_defaults=True
        )
        return start(self, text, options)


class BoundDefinition(Generic[P, R]):
    """A definition with options for ``start``."""

    def __init__(self, definition: WorkflowDefinition[P, R], options: StartOptions) -> None:
        self._definition = definition
        self._options = options

    def with_options(self, **options: Any) -> BoundDefinition[P, R]:
        """These options and more; later ones win."""
        return BoundDefinition(self._definition, self._options.derive(**options))

    def start(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """As ``WorkflowDefinition.start``."""
        return self._definition._start(self._options, args, kwargs)

    async def astart(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """``start``, for async code."""
        return await sync_to_async(self._definition._start)(self._options, args, kwargs)


class WorkflowManager:
    """Defines workflows that share defaults, and looks after workflows of any definition.

    ``retry_actions_by_default`` and ``default_retry`` say whether and how actions are tried again; a definition or a step
    can say otherwise. ``max_parallelism`` is how many steps of this manager's workflows may run at once over all
    machines, ``None`` for no limit. ``queue`` names the django-q2 cluster that runs them, "" for the default one.
    """

    def __init__(
        self,
        *,
        max_parallelism: int | None = None,
        retry_actions_by_default: bool = False,
        default_retry: RetryPolicy | None = None,
        queue: str = "",
        name: str | None = None,
    ) -> None:
        if max_parallelism is not None and (isinstance(max_parallelism, bool) or max_parallelism < 1):
            raise InvalidDefinition(f"max_parallelism must be an int of at least 1, or None, got {max_parallelism!r}")
        self.max_parallelism = max_parallelism
        self.retry_actions_by_default = retry_actions_by_default
        self.default_retry = default_retry or RetryPolicy()
        self.queue = queue
        self.name = name or sys._getframe(1).f_globals.get("__name__", "")

    @overload
    def define(self, handler: Handler[P, R], /) -> WorkflowDefinition[P, R]: ...
    @overload
    def define(
        self,
        *,
        name: str | None = ...,
        retry_actions_by_default: bool | None = ...,
        default_retry: RetryPolicy | None = ...,
        max_parallelism: int | None = ...,
        queue: str | None = ...,
        priority: int = ...,
        api: bool = ...,
    ) -> Callable[[Handler[P, R]], WorkflowDefinition[P, R]]: ...
    def define(self, handler: Any = None, /, **options: Any) -> Any:
        """Define a workflow: ``@workflow.define``, or ``@workflow.define(name=..., ...)`` with options of its own.

        The name defaults to ``module.qualname`` and is what journals store. Raises ``DuplicateDefinition`` or
        ``InvalidDefinition``.
        """
        if handler is None:
            return lambda function: self._define(function, **options)
        return self._define(handler)

    def _define(
        self,
        handler: Any,
        *,
        name: str | None = None,
        retry_actions_by_default: bool | None = None,
        default_retry: RetryPolicy | None = None,
        max_parallelism: int | None = None,
        queue: str | None = None,
        priority: int = 0,
        api: bool = False,
    ) -> WorkflowDefinition[Any, Any]:
        if not callable(handler) or not hasattr(handler, "__qualname__"):
            raise InvalidDefinition(f"@workflow.define takes an `async def`, got {handler!r:.120}")
        definition = WorkflowDefinition[Any, Any](
            name=name or dotted_path(handler),
            handler=handler,
            retry_actions=self.retry_actions_by_default if retry_actions_by_default is None else retry_actions_by_default,
            retry=default_retry or self.default_retry,
            queue=self.queue if queue is None else queue,
            priority=priority,
            api=api,
        )
        definition.__doc__ = handler.__doc__
        registry.add(definition)
        return definition

    # -- starting

    def start(self, definition: str | Definition[Any, Any], args: Mapping[str, Any] | None = None, **options: Any) -> UUID:
        """Start a workflow by the name of its definition, with its arguments by name; returns its id.

        ``options`` are those of ``StartOptions``. Raises ``DefinitionNotFound`` or ``InvalidArguments``, and stores
        nothing then.
        """
        found = registry.find(definition) if isinstance(definition, str) else definition
        if args is not None and not isinstance(args, Mapping):
            raise InvalidArguments(f"{found.name}: arguments by name are needed, as a dict, got {type(args).__name__}")
        text = found.signature.encode_mapping(
            args or {}, what=f"arguments of {found.name}", max_bytes=settings.MAX_PAYLOAD_BYTES
        )
        return start(found, text, StartOptions().derive(**options))

    # -- looking

    def status(self, workflow_id: UUID | str) -> WorkflowStatus:
        """``InProgress``, ``Completed``, ``Failed`` or ``Canceled``; raises ``WorkflowNotFound``."""
        return observe.status(as_id(workflow_id))

    def result(self, workflow_id: UUID | str, timeout: Duration | None = None) -> Any:
        """Wait for a workflow's end, at most ``timeout`` (seconds or timedelta), and return its result.

        Raises ``WorkflowFailed``, ``WorkflowCanceled``, ``ResultTimeout`` (a ``TimeoutError``) or ``WorkflowNotFound``.
        """
        return observe.result(as_id(workflow_id), None if timeout is None else to_seconds(timeout, what="timeout"))

    def watch(self, workflow_id: UUID | str, timeout: Duration | None = None) -> Iterator[WorkflowStatus]:
        """The status now, and again whenever it changed, to the end, or for ``timeout`` at the most."""
        until = None if timeout is None else time.monotonic() + to_seconds(timeout, what="timeout")
        return observe.watch(as_id(workflow_id), until)

    def list(self, *, name: str | None = None, state: str | None = None) -> QuerySet[Workflow]:
        """Workflows, newest first, of one definition or state if asked."""
        found = workflows.queryset()
        wanted = {"name": name, "state": state}
        return found.filter(**{key: value for key, value in wanted.items() if value is not None})

    def steps(self, workflow_id: UUID | str) -> QuerySet[Step]:
        """The steps of a workflow, in order."""
        return step_store.queryset(as_id(workflow_id))

    # -- ending

    def cleanup(self, workflow_id: UUID | str) -> bool:
        """Delete a finished workflow with its steps, events and children; False when unknown or still running."""
        return cleanup_verb.cleanup(as_id(workflow_id))

    # -- the same for async code

    async def astart(
        self, definition: str | Definition[Any, Any], args: Mapping[str, Any] | None = None, **options: Any
    ) -> UUID:
        """``start``, for async code."""
        return await sync_to_async(self.start)(definition, args, **options)

    async def astatus(self, workflow_id: UUID | str) -> WorkflowStatus:
        """``status``, for async code."""
        return await sync_to_async(self.status)(workflow_id)

    async def aresult(self, workflow_id: UUID | str, timeout: Duration | None = None) -> Any:
        """``result``, for async code; other tasks run while it waits."""
        until = None if timeout is None else time.monotonic() + to_seconds(timeout, what="timeout")
        return await observe.aresult(as_id(workflow_id), until)

    def awatch(self, workflow_id: UUID | str, timeout: Duration | None = None) -> AsyncIterator[WorkflowStatus]:
        """``watch``, for async code."""
        until = None if timeout is None else time.monotonic() + to_seconds(timeout, what="timeout")
        return observe.awatch(as_id(workflow_id), until)

    async def acleanup(self, workflow_id: UUID | str) -> bool:
        """``cleanup``, for async code."""
        return await sync_to_async(self.cleanup)(workflow_id)


def as_id(workflow_id: UUID | str) -> UUID:
    """An id from a UUID or its text; ``WorkflowNotFound`` if it is neither, for then there is no such workflow."""
    if isinstance(workflow_id, UUID):
        return workflow_id
    try:
        return UUID(workflow_id)
    except (ValueError, AttributeError, TypeError):
        raise WorkflowNotFound(f"{workflow_id!r:.100} is not the id of a workflow") from None
