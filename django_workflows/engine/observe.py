"""Looks at workflows: status, result, and every change as it comes."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from ..core.journal import Failure, WorkflowRecord, WorkflowState
from ..core.progress import read_progress, together
from ..core.status import Canceled, Completed, Failed, InProgress, WorkflowStatus
from ..exceptions import ResultTimeout, WorkflowCanceled, WorkflowFailed, WorkflowNotFound
from ..store import events as event_store
from ..store import steps as step_store
from ..store import workflows
from ..store.blocked import read_blocked
from .complete import decode_result
from .inside import refuse_to_wait

#: Seconds between two looks: short at first, since most waits are short.
_SHORTEST, _LONGEST = 0.005, 0.25


def not_found(workflow_id: object) -> WorkflowNotFound:
    return WorkflowNotFound(f"there is no workflow {workflow_id} (never started, rolled back, or cleaned up)")


def read(workflow_id: UUID) -> WorkflowRecord:
    """The workflow's row; ``WorkflowNotFound`` if there is none."""
    record = workflows.read(workflow_id)
    if record is None:
        raise not_found(workflow_id)
    return record


def status(workflow_id: UUID) -> WorkflowStatus:
    """How a workflow stands; ``WorkflowNotFound`` if there is none of that id."""
    return status_of(read(workflow_id))


def status_of(record: WorkflowRecord) -> WorkflowStatus:
    if record.state == WorkflowState.IN_PROGRESS:
        steps = step_store.open_steps(record.id)
        progress = together((name, found) for name, text in steps if (found := read_progress(text)) is not None)
        return InProgress(
            [name for name, _ in steps],
            blocked=read_blocked(record.id) if record.blocked_message else None,
            progress=progress,
        )
    untaken = event_store.untaken(record.id) if record.has_events else {}
    if record.state == WorkflowState.COMPLETED:
        never = [name for _, name in json.loads(record.never_awaited or "[]")]
        return Completed(decode_result(record.name, record.result), untaken, never)
    if record.state == WorkflowState.FAILED:
        failure = Failure("", "") if record.error is None else Failure.load(record.error)
        return Failed(failure.message, failure.type, failure.traceback, untaken)
    return Canceled(untaken, "" if record.error is None else Failure.load(record.error).message)


def result(workflow_id: UUID, timeout: float | None) -> Any:
    """Wait for the end and return the result; ``timeout`` in seconds, ``None``: as long as it takes.

    Raises ``WorkflowFailed``, ``WorkflowCanceled``, ``ResultTimeout`` (a ``TimeoutError``) or ``WorkflowNotFound``.
    """
    refuse_to_wait("result", workflow_id)
    until = None if timeout is None else time.monotonic() + timeout
    status: WorkflowStatus = InProgress()
    for changed in watch(workflow_id, until):
        status = changed
    return _result_of(workflow_id, status)


async def aresult(workflow_id: UUID, until: float | None) -> Any:
    """``result`` without blocking the event loop."""
    await sync_to_async(refuse_to_wait)("result", workflow_id)
    status: WorkflowStatus = InProgress()
    async for changed in awatch(workflow_id, until):
        status = changed
    return _result_of(workflow_id, status)


def _result_of(workflow_id: UUID, status: WorkflowStatus) -> Any:
    if isinstance(status, Completed):
        return status.result
    if isinstance(status, Failed):
        raise WorkflowFailed(status.error, status.error_type, status.traceback)
    if isinstance(status, Canceled):
        raise WorkflowCanceled(f"workflow {workflow_id} was canceled")
    raise ResultTimeout(f"workflow {workflow_id} is still running")


class _Watcher:
    """Looks for changes, ever less often while there are none."""

    def __init__(self, workflow_id: UUID, until: float | None) -> None:
        self._id = workflow_id
        self._until = until
        self._seen: int | None = None
        self._pause = _SHORTEST

    def look(self) -> WorkflowStatus | None:
        """The status if it changed since the last look."""
        version = workflows.version(self._id)
        if version is None:
            raise not_found(self._id)
        if version == self._seen:
            return None
        self._seen, self._pause = version, _SHORTEST
        return status(self._id)

    def pause(self) -> float | None:
        """Seconds to the next look; ``None`` when it is time to give up."""
        left = math.inf if self._until is None else self._until - time.monotonic()
        self._pause = min(_LONGEST, self._pause * 1.5)
        return min(self._pause, left) if left > 0 else None


def watch(workflow_id: UUID, until: float | None = None) -> Iterator[WorkflowStatus]:
    """The status now and after each change, the last one being the end; gives up at ``until`` (monotonic seconds)."""
    watcher = _Watcher(workflow_id, until)
    while True:
        changed = watcher.look()
        if changed is not None:
            yield changed
            if not isinstance(changed, InProgress):
                return
        pause = watcher.pause()
        if pause is None:
            return
        time.sleep(pause)


async def awatch(workflow_id: UUID, until: float | None = None) -> AsyncIterator[WorkflowStatus]:
    """``watch`` without blocking the event loop."""
    await sync_to_async(refuse_to_wait)("watch", workflow_id)
    watcher = _Watcher(workflow_id, until)
    while True:
        changed = await sync_to_async(watcher.look)()
        if changed is not None:
            yield changed
            if not isinstance(changed, InProgress):
                return
        pause = watcher.pause()
        if pause is None:
            return
        await asyncio.sleep(pause)
