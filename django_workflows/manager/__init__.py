"""``WorkflowManager``: how users define, start and look after workflows."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, TypeVar, overload
from uuid import UUID

from asgiref.sync import sync_to_async

from ..core.definitions import Definition
from ..core.durations import Duration, to_seconds
from ..core.events import EventDefinition
from ..core.restart_plan import FAILED
from ..core.status import WorkflowStatus
from ..engine import observe
from ..engine.patches import PatchReport
from ..engine.restart import FromStep
from .definition import BoundDefinition, WorkflowDefinition
from .ids import as_id
from .sync import SyncManager

__all__ = ["BoundDefinition", "WorkflowDefinition", "WorkflowManager", "as_id"]

T = TypeVar("T")


class WorkflowManager(SyncManager):
    """Defines workflows that share defaults, and looks after workflows of any definition.

    ``retry_actions_by_default`` and ``default_retry`` say whether and how actions are tried again; a definition or a
    step can say otherwise. ``max_parallelism`` is how many steps of this manager's workflows may run at once over all
    machines; ``rate_limit``, ``(100, timedelta(minutes=1))`` for example, how many may begin in any span of that length
    (seconds or timedelta), each attempt counted; ``None`` for no limit. ``queue`` names the django-q2 cluster that runs
    them, "" for the default one. Raises ``InvalidDefinition`` for limits that make no sense.
    """

    async def astart(
        self, definition: str | Definition[Any, Any], args: Mapping[str, Any] | None = None, **options: Any
    ) -> UUID:
        """``start``, for async code."""
        return await sync_to_async(self.start)(definition, args, **options)

    async def astart_many(
        self,
        definition: str | Definition[Any, Any],
        arguments: Iterable[Mapping[str, Any]],
        *,
        idempotency_keys: Iterable[str | None] | None = None,
        **options: Any,
    ) -> list[UUID]:
        """``start_many``, for async code."""
        start = sync_to_async(self.start_many)
        return await start(definition, arguments, idempotency_keys=idempotency_keys, **options)

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

    async def apatches(self, *, name: str | None = None, limit: int | None = None) -> PatchReport:
        """``patches``, for async code."""
        return await sync_to_async(self.patches)(name=name, limit=limit)

    async def acancel(self, workflow_id: UUID | str, *, force: bool = False) -> None:
        """``cancel``, for async code."""
        await sync_to_async(self.cancel)(workflow_id, force=force)

    async def arestart(self, workflow_id: UUID | str, from_step: FromStep = FAILED) -> None:
        """``restart``, for async code."""
        await sync_to_async(self.restart)(workflow_id, from_step)

    async def aretry_now(self, workflow_id: UUID | str) -> None:
        """``retry_now``, for async code."""
        await sync_to_async(self.retry_now)(workflow_id)

    async def acreate_event(self, workflow_id: UUID | str, event: EventDefinition[Any] | str) -> UUID:
        """``create_event``, for async code."""
        return await sync_to_async(self.create_event)(workflow_id, event)

    @overload
    async def asend_event(
        self,
        workflow_id: UUID | str,
        event: EventDefinition[T],
        value: T,
        *,
        error: None = None,
        idempotency_key: str | None = None,
    ) -> UUID: ...
    @overload
    async def asend_event(
        self, workflow_id: UUID | str, event: EventDefinition[None], *, idempotency_key: str | None = None
    ) -> UUID: ...
    @overload
    async def asend_event(
        self,
        workflow_id: UUID | str,
        event: EventDefinition[Any] | str,
        *,
        error: str,
        idempotency_key: str | None = None,
    ) -> UUID: ...
    @overload
    async def asend_event(
        self,
        workflow_id: UUID | str,
        event: str,
        value: Any = None,
        *,
        error: str | None = None,
        idempotency_key: str | None = None,
    ) -> UUID: ...
    @overload
    async def asend_event(
        self,
        workflow_id: UUID | str | None = None,
        event: EventDefinition[Any] | str | None = None,
        value: Any = None,
        *,
        error: str | None = None,
        event_id: UUID | str,
        idempotency_key: str | None = None,
    ) -> UUID: ...
    async def asend_event(
        self,
        workflow_id: UUID | str | None = None,
        event: EventDefinition[Any] | str | None = None,
        value: Any = None,
        *,
        error: str | None = None,
        event_id: UUID | str | None = None,
        idempotency_key: str | None = None,
    ) -> UUID:
        """``send_event``, for async code."""
        send: Callable[..., UUID] = self.send_event
        return await sync_to_async(send)(
            workflow_id, event, value, error=error, event_id=event_id, idempotency_key=idempotency_key
        )

    async def acreate_event_token(self, event_id: UUID | str, *, expires_in: Duration) -> str:
        """``create_event_token``, for async code."""
        return await sync_to_async(self.create_event_token)(event_id, expires_in=expires_in)

    async def asend_event_by_token(self, token: str, value: Any = None, *, error: str | None = None) -> UUID:
        """``send_event_by_token``, for async code."""
        return await sync_to_async(self.send_event_by_token)(token, value, error=error)

    async def acleanup(self, workflow_id: UUID | str) -> bool:
        """``cleanup``, for async code."""
        return await sync_to_async(self.cleanup)(workflow_id)
