"""Steps of the chaos run. Each leaves a line in a file, which no rollback takes back, and mutations a row as well."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any
from uuid import UUID

from django_workflows import CanceledResult, ErrorResult, RunResult, SuccessResult, current_step
from tests.app.models import Mark

LOG = "DJANGO_WORKFLOWS_CHAOS_LOG"


def note(kind: str, key: str, detail: object = "-") -> None:
    """One line, written at once, so that lines of many processes do not mix."""
    line = f"{kind} {key} {detail} {os.getpid()} {time.time():.6f}\n".encode()
    descriptor = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def mark(key: str) -> str:
    """A mutation. Its row is not unique, so that a second effect would be seen."""
    Mark.objects.create(key=key)
    note("mutation", key)
    time.sleep(0.01)  # in which it may be killed with its transaction
    return key


def read(key: str) -> int:
    return Mark.objects.filter(key=key).count()


def act(key: str) -> str:
    note("action", key, current_step().idempotency_key)
    time.sleep(0.05)
    return key


def once(key: str) -> str:
    note("once", key)
    time.sleep(0.1)
    return key


def dash(key: str) -> str:
    """Takes so little time that workers lead several workflows side by side for it."""
    note("dash", key)
    return key


async def call(key: str) -> str:
    """Waits for an answer, in flight beside many others."""
    note("action", key, current_step().idempotency_key)
    await asyncio.sleep(0.4)
    return key


async def dash_over(key: str) -> str:
    """The same where it must not be called twice."""
    note("dash", key)
    await asyncio.sleep(0.2)
    return key


def fail_at_first(key: str) -> int:
    """Fails in its first two attempts."""
    attempt = current_step().attempt
    note("retried", key, attempt)
    if attempt <= 2:
        raise ConnectionError(f"attempt {attempt}")
    return attempt


def on_time(key: str, due: float) -> str:
    """``due``: seconds since the epoch before which nobody may call this."""
    note("timer", key, f"{time.time() - due:.6f}")
    return key


def completed(workflow_id: UUID, result: RunResult, context: Any) -> None:
    match result:
        case SuccessResult() | ErrorResult() | CanceledResult():
            Mark.objects.create(key=f"{context}:complete")
            note("complete", str(context), result.kind)
