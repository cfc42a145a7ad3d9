"""Step functions for the tests with real clusters. What they did is in a file, which no rollback takes back."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from asgiref.sync import sync_to_async
from django.db import connection

from django_workflows import current_step
from tests.app.models import Effect


def note(log: str, text: str) -> None:
    """Append a line ``text pid time`` to the log."""
    with Path(log).open("a") as file:
        file.write(f"{text} {os.getpid()} {time.time():.6f}\n")


def act(log: str, name: str, seconds: float = 0.0) -> str:
    note(log, f"begin-{name}")
    time.sleep(seconds)
    note(log, f"end-{name}")
    return name


def act_slowly_at_first(log: str, name: str, seconds: float) -> int:
    """Takes its time in the first attempt only; returns the number of the attempt."""
    attempt = current_step().attempt
    act(log, f"{name}-{attempt}", seconds if attempt == 1 else 0.0)
    return attempt


def brisk(log: str, name: str, freezes: bool) -> int:
    """Takes no time; ``freezes``: in its first attempt its process stands still until somebody has it go on."""
    attempt = current_step().attempt
    note(log, f"begin-{name}-{attempt}")
    if freezes and attempt == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
        note(log, f"end-{name}-{attempt}")
    return attempt


def change(log: str, key: str, seconds: float = 0.0) -> str:
    """A mutation: one row, then some time in which the process can be killed before the commit."""
    Effect.objects.create(key=key)
    return act(log, key, seconds)


def change_slowly_at_first(log: str, key: str, seconds: float) -> int:
    attempt = current_step().attempt
    change(log, key, seconds if attempt == 1 else 0.0)
    return attempt


def ordinary(log: str, name: str) -> str:
    """No step, but an ordinary django-q2 task."""
    note(log, f"task-{name}")
    return name


def ordinary_fails_once(log: str, name: str) -> str:
    first = not Path(log).exists() or f"task-{name} " not in Path(log).read_text()
    note(log, f"task-{name}")
    if first:
        raise RuntimeError("the first time")
    return name


def start_and_terminate() -> int:
    """Start a program, end it by SIGTERM, and say how it ended."""
    with subprocess.Popen(["sleep", "60"]) as process:
        process.terminate()
        return process.wait(10)


def here_to_stay() -> int:
    """How many objects this process's garbage collector does not look at."""
    return gc.get_freeze_count()


def returns_a_lock() -> object:
    """No process can send that to another."""
    return threading.Lock()


def dies_with_the_timer() -> None:
    """Dies as a worker may at the end of a task: with the lock that the sentinel wants."""
    frame = sys._getframe()
    while "timer" not in frame.f_locals:
        frame = frame.f_back
    frame.f_locals["timer"].get_lock().acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def die(log: str, name: str) -> None:
    note(log, f"die-{name}")
    os.kill(os.getpid(), signal.SIGKILL)


class Own(BaseException):
    """As libraries have them to get past ``except Exception``."""


class Hostile(Exception):
    """Neither text nor bytes can be made of it."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __reduce__(self) -> str:
        raise RuntimeError("no bytes")


class Locked(Exception):
    """Says what it is, and holds what no process can send to another."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


ERRORS: dict[str, type[BaseException]] = {
    "own": Own,
    "hostile": Hostile,
    "locked": Locked,
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
}


def throw(log: str, kind: str) -> None:
    note(log, f"throw-{kind}")
    raise ERRORS[kind](f"mine is {kind}")


def cancel_own_workflow(key: str, force: bool) -> str:
    """Writes, and cancels the workflow that it is a step of."""
    from tests.app.cluster_workflows import workflow

    Effect.objects.create(key=key)
    workflow.cancel(current_step().workflow_id, force=force)
    return key


def change_quickly(key: str) -> str:
    Effect.objects.create(key=key)
    return key


def say(log: str, name: str, statements: list[str]) -> str:
    """Send these to the database, and leave the session as it is then."""
    note(log, f"say-{name}")
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    return name


# -- async actions


async def waits(log: str, name: str, seconds: float) -> str:
    note(log, f"begin-{name}")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note(log, f"canceled-{name}-{current_step().canceled()}")
        raise
    note(log, f"end-{name}")
    return name


async def waits_at_first(log: str, name: str, seconds: float) -> int:
    """Takes its time in the first call only; returns the number of the attempt."""
    first = f"begin-{name} " not in Path(log).read_text() if Path(log).exists() else True
    await waits(log, name, seconds if first else 0.0)
    return current_step().attempt


async def unavailable_at_first(log: str, name: str) -> str:
    await asyncio.sleep(0.01)
    if current_step().attempt == 1:
        raise ConnectionError("503")
    return await waits(log, name, 0.01)


async def swallows(log: str, name: str, seconds: float) -> str:
    note(log, f"begin-{name}")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)
    return name


async def blocks(log: str, name: str, seconds: float) -> str:
    await asyncio.sleep(0)
    return act(log, name, seconds)


async def dies(log: str, name: str) -> None:
    note(log, f"die-{name}")
    await asyncio.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)


async def leaves_a_task(log: str, name: str) -> str:
    forgotten.add(asyncio.create_task(waits(log, name, 30)))
    await asyncio.sleep(0.05)
    return name


forgotten: set[object] = set()


async def counts_effects(prefix: str, seconds: float) -> tuple[int, int]:
    """How many there are, by the async ORM, before and after a while, and the backend that was asked."""
    before = await Effect.objects.filter(key__startswith=prefix).acount()
    await asyncio.sleep(seconds)
    found = [each async for each in Effect.objects.filter(key__startswith=prefix).aiterator()]
    return before, len(found)


async def session(change: str, seconds: float) -> list[str]:
    """Change the session by a statement, then say what a few settings are, now and in a while."""

    def run(sql: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return str(cursor.fetchone()[0]) if cursor.description else ""

    if change:
        await sync_to_async(run)(change)
    seen = [await sync_to_async(run)("SHOW search_path")]
    await asyncio.sleep(seconds)
    return [*seen, await sync_to_async(run)("SHOW search_path")]


def in_flight_beside() -> int:
    """How many others are in flight in this process."""
    from django_workflows.engine.in_flight import flights

    return len(flights)
