"""Step functions of the test workflows."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django_workflows import current_step, report_progress
from tests.app.models import Counter, Effect


@dataclass
class Point:
    x: int
    y: float


class CardDeclined(Exception):
    pass


class Unreachable(Exception):
    pass


calls: list[tuple] = []


def add(a: int, b: int) -> int:
    calls.append(("add", a, b))
    return a + b


async def add_async(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def no_op() -> None:
    return None


def shift(point: Point, by: float) -> Point:
    return Point(point.x + 1, point.y + by)


def typed(when: datetime, amount: Decimal, ident: UUID) -> tuple[datetime, Decimal, UUID]:
    assert isinstance(when, datetime) and isinstance(amount, Decimal) and isinstance(ident, UUID)
    return when, amount, ident


def insert_effect(key: str, value: str = "") -> int:
    return Effect.objects.create(key=key, value=value).pk


def insert_effect_and_fail(key: str) -> None:
    Effect.objects.create(key=key)
    raise CardDeclined("no money")


async def insert_effect_async(key: str) -> int:
    return (await Effect.objects.acreate(key=key)).pk


def count_effects() -> int:
    return Effect.objects.count()


def write_in_query() -> int:
    return Effect.objects.create(key="written in a query").pk


def fail_until(name: str, attempts: int) -> int:
    """Fails until it was called ``attempts`` times; counts in the database, so that other processes see it."""
    counter, _ = Counter.objects.get_or_create(name=name)
    counter.value += 1
    counter.save()
    if counter.value < attempts:
        raise Unreachable(f"call {counter.value}")
    return counter.value


def decline(card: str) -> None:
    raise CardDeclined(f"card {card} declined")


def bad_result() -> int:
    return "not a number"  # type: ignore[return-value]


def untyped_datetime():
    return datetime(2026, 1, 1)


def not_a_number() -> float:
    return float("nan")


def echo(value):
    return value


def who_am_i() -> dict:
    step = current_step()
    return {
        "workflow_id": str(step.workflow_id),
        "number": step.number,
        "attempt": step.attempt,
        "key": step.idempotency_key,
        "canceled": step.canceled(),
    }


def progress(total: int) -> int:
    for done in range(total + 1):
        report_progress(done, total, "halfway" if done < total else "done")
    return total


def nap(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


async def nap_async(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


def exit_process() -> None:
    raise SystemExit(3)


def kill_myself() -> None:
    os.kill(os.getpid(), 9)


def pid() -> int:
    return os.getpid()
