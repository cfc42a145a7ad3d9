"""Everything that a ``WorkflowManager`` does, for code that may block."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar, overload
from uuid import UUID

from django.db.models import QuerySet

from ..conf import settings
from ..core.commands import check_name
from ..core.context import WorkflowContext
from ..core.definitions import Definition
from ..core.durations import Duration, to_seconds
from ..core.pools import PoolLimits
from ..core.registry import registry
from ..core.restart_plan import FAILED
from ..core.retry import RetryPolicy, dotted_path
from ..core.status import WorkflowStatus
from ..engine import cleanup as cleanup_verb
from ..engine import observe
from ..engine.cancel import cancel
from ..engine.inside import refuse_to_wait
from ..engine.patches import PatchReport, patch_report
from ..engine.restart import FromStep, restart
from ..engine.retry_now import retry_now
from ..engine.start import StartOptions, start
from ..engine.start_many import start_many
from ..exceptions import InvalidArguments, InvalidDefinition, InvalidStep
from ..models import Step, Workflow
from ..store import steps as step_store
from ..store import workflows
from .definition import WorkflowDefinition
from .ids import as_id
from .messages import Messages

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

Handler = Callable[Concatenate[WorkflowContext, P], Coroutine[Any, Any, R]]


class SyncManager(Messages):
    """The blocking half of ``WorkflowManager``, which says what its options mean."""

    def __init__(
        self,
        *,
        max_parallelism: int | None = None,
        rate_limit: tuple[int, Duration] | None = None,
        retry_actions_by_default: bool = False,
        default_retry: RetryPolicy | None = None,
        queue: str = "",
        name: str | None = None,
    ) -> None:
        self.limits = PoolLimits.of(max_parallelism, rate_limit)
        self.retry_actions_by_default = retry_actions_by_default
        self.default_retry = default_retry or RetryPolicy()
        self.queue = queue
        self.name: str = name or registry.new_pool_name(sys._getframe(1).f_globals.get("__name__", "workflows"))

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
        rate_limit: tuple[int, Duration] | None = ...,
        queue: str | None = ...,
        priority: int = ...,
        api: bool = ...,
    ) -> Callable[[Handler[P, R]], WorkflowDefinition[P, R]]: ...
    def define(self, *handler: Any, **options: Any) -> Any:
        """Define a workflow: ``@workflow.define``, or ``@workflow.define(name=..., ...)`` with options of its own.

        The name defaults to ``module.qualname`` and is what journals store. Raises ``InvalidDefinition``, or
        ``DuplicateDefinition``, which while Django starts is a system check instead, so that it comes with its hint.
        """
        if not handler:
            return lambda function: self._define(function, **options)
        return self._define(*handler, **options)

    def _define(
        self,
        handler: Any,
        *,
        name: str | None = None,
        retry_actions_by_default: bool | None = None,
        default_retry: RetryPolicy | None = None,
        max_parallelism: int | None = None,
        rate_limit: tuple[int, Duration] | None = None,
        queue: str | None = None,
        priority: int = 0,
        api: bool = False,
    ) -> WorkflowDefinition[Any, Any]:
        if not callable(handler) or not hasattr(handler, "__qualname__"):
            raise InvalidDefinition(f"@workflow.define takes an `async def`, got {handler!r:.120}")
        name = name or dotted_path(handler)
        definition = WorkflowDefinition[Any, Any](
            name=name,
            pool=self._pool(name, PoolLimits.of(max_parallelism, rate_limit)),
            handler=handler,
            retry_actions=self.retry_actions_by_default
            if retry_actions_by_default is None
            else retry_actions_by_default,
            retry=default_retry or self.default_retry,
            queue=self.queue if queue is None else queue,
            priority=priority,
            api=api,
        )
        definition.__doc__ = handler.__doc__
        registry.add(definition)
        return definition

    def _pool(self, definition: str, own: PoolLimits | None) -> str:
        """The pool that a definition's steps count against: its own, else the manager's, else none."""
        limits, pool = (self.limits, self.name) if own is None else (own, definition)
        if limits is None:
            return ""
        try:
            check_name(pool, what="the name of a manager or definition")
        except InvalidStep as error:
            raise InvalidDefinition(str(error)) from None
        registry.pools[pool] = limits
        return pool

    def callback(self, function: F) -> F:
        """Register a module-level function as an ``on_complete``: ``@workflow.callback``. Returns it as it is.

        It need not be: an ``on_complete`` is sealed with ``SECRET_KEY`` when its workflow is started. One that is
        registered goes on working after that key was changed. Raises ``InvalidArguments`` where it is no function at
        the top level of a module.
        """
        # Its module is not whole yet, so only what it says of itself can be checked.
        if not inspect.isfunction(function) or not function.__qualname__.isidentifier():
            raise InvalidArguments(f"@workflow.callback takes a module-level function, got {function!r:.120}")
        registry.callbacks[dotted_path(function)] = function
        return function

    # -- starting

    def start(
        self, definition: str | Definition[Any, Any], args: Mapping[str, Any] | None = None, **options: Any
    ) -> UUID:
        """Start a workflow by the name of its definition, with its arguments by name; returns its id.

        ``options`` are those of ``StartOptions``. Raises ``DefinitionNotFound`` or ``InvalidArguments``, and stores
        nothing then.
        """
        found = registry.find(definition) if isinstance(definition, str) else definition
        text = _named_arguments(found, {} if args is None else args, f"arguments of {found.name}")
        return start(found, text, StartOptions().derive(**options))

    def start_many(
        self,
        definition: str | Definition[Any, Any],
        arguments: Iterable[Mapping[str, Any]],
        *,
        idempotency_keys: Iterable[str | None] | None = None,
        **options: Any,
    ) -> list[UUID]:
        """Start a workflow for each dict of arguments by name, all or none; their ids, in that order.

        ``idempotency_keys`` has one for each, or ``None``. Raises ``DefinitionNotFound`` or ``InvalidArguments``, and
        stores nothing then.
        """
        found = registry.find(definition) if isinstance(definition, str) else definition
        texts = [
            _named_arguments(found, each, f"arguments of {found.name}, item {n}") for n, each in enumerate(arguments)
        ]
        return start_many(found, texts, StartOptions().derive(**options), idempotency_keys)

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
        refuse_to_wait("watch", as_id(workflow_id))
        until = None if timeout is None else time.monotonic() + to_seconds(timeout, what="timeout")
        return observe.watch(as_id(workflow_id), until)

    def list(
        self, *, name: str | None = None, state: str | None = None, reason: str | None = None
    ) -> QuerySet[Workflow]:
        """Workflows, newest first, of one definition or state if asked; the state ``"blocked"`` selects those that are.

        ``reason`` is a ``BlockedReason``: those that are blocked by it. Raises ``InvalidArguments`` for a state or
        reason that there is not.
        """
        return workflows.listed(name, state, reason)

    def steps(self, workflow_id: UUID | str) -> QuerySet[Step]:
        """The steps of a workflow, in order."""
        return step_store.queryset(as_id(workflow_id))

    def patches(self, *, name: str | None = None, limit: int | None = None) -> PatchReport:
        """Which branch of each ``step.patched`` the workflows in progress take, with the code of this process.

        Replays the journal of each of them, of one definition (``name``) if asked, the newest ``limit`` at the most;
        ``None`` for all. No step is run and nothing is written.
        """
        return patch_report(name=name, limit=limit)

    # -- acting

    def cancel(self, workflow_id: UUID | str, *, force: bool = False) -> None:
        """Cancel a workflow with all its children. Its handler may clean up first; with ``force`` it is not asked.

        Raises ``WorkflowNotFound`` or ``WorkflowNotRunning``, and changes nothing then.
        """
        cancel(as_id(workflow_id), force=force)

    def restart(self, workflow_id: UUID | str, from_step: FromStep = FAILED) -> None:
        """Run a workflow again that has ended: by default (``FAILED``, or ``None``) the failures that ended it.

        All else that was asked for before keeps its result. ``KEEP`` keeps the failures as well, for code that was
        fixed; so does ``FAILED`` where no step failed. With the number of a step, or a name or function, of which the
        last step is meant, that step and all after it are dropped and run again; this works while it is blocked, too.
        Raises ``WorkflowNotFound``, ``WorkflowStillRunning``, ``StepNotFound`` or ``InvalidArguments``, and changes
        nothing then.
        """
        restart(as_id(workflow_id), from_step)

    def retry_now(self, workflow_id: UUID | str) -> None:
        """Try steps that wait for their next attempt now, and look at the workflow now if it is blocked.

        Raises ``WorkflowNotFound`` or ``WorkflowNotRunning``.
        """
        retry_now(as_id(workflow_id))

    def cleanup(self, workflow_id: UUID | str) -> bool:
        """Delete a finished workflow with its steps, events and children; False when unknown or still running."""
        return cleanup_verb.cleanup(as_id(workflow_id))


def _named_arguments(definition: Definition[Any, Any], args: Any, what: str) -> str:
    if not isinstance(args, Mapping):
        raise InvalidArguments(f"{what}: arguments by name are needed, as a dict, got {type(args).__name__}")
    return definition.signature.encode_mapping(args, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
