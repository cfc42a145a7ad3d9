"""Step functions of the test workflows."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import DatabaseError, IntegrityError, connection, transaction

from django_workflows import RetryAfter, current_step, report_progress
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
    assert (type(when), type(amount), type(ident)) == (datetime, Decimal, UUID)
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
    return datetime(2026, 1, 1)  # noqa: DTZ001 - naive on purpose


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


def find_effects(prefix: str) -> list[str]:
    return list(Effect.objects.filter(key__startswith=prefix).order_by("key").values_list("key", flat=True))


async def count_effects_async() -> int:
    return await Effect.objects.acount()


def count_twice() -> tuple[int, int]:
    """Two reads of one query; ``calls`` tells a test when it is between them."""
    first = Effect.objects.count()
    between_reads()
    return first, Effect.objects.count()


def between_reads() -> None:
    for hook in hooks:
        hook()


#: What a test wants done in the middle of a step.
hooks: list = []


def insert_effect_then(key: str) -> str:
    """A write, and then whatever the test wants to happen while the step's transaction is open."""
    calls.append(("insert_effect_then", key, current_step().attempt))
    Effect.objects.create(key=key)
    between_reads()
    return key


def act_then(key: str) -> str:
    """An action, and then whatever the test wants to happen before it ends."""
    calls.append(("act_then", key, current_step().attempt))
    between_reads()
    return key


def swallow_integrity_error(key: str) -> str:
    Effect.objects.create(key=key)
    try:
        Effect.objects.create(key=key)
    except IntegrityError:
        return "swallowed"
    return "no error"


def swallow_raw_error(key: str) -> str:
    """Django does not know of it, since the statement is no model's."""
    Effect.objects.create(key=key)
    with suppress(IntegrityError), connection.cursor() as cursor:
        cursor.execute("INSERT INTO tests_app_effect (key, value) VALUES (%s, '')", [key])
    return "swallowed"


def insert_durably(key: str) -> None:
    Effect.objects.create(key=f"{key}-1")
    with transaction.atomic(durable=True):
        Effect.objects.create(key=f"{key}-2")


def insert_and_ask_for_a_rollback(key: str) -> str:
    Effect.objects.create(key=key)
    transaction.set_rollback(True)
    return "as if it were done"


def insert_and_fail_then(key: str) -> None:
    """A write with a hook, whatever the test wants to happen, and a failure."""
    calls.append(("insert_and_fail_then", key, current_step().attempt))
    Effect.objects.create(key=key)
    transaction.on_commit(lambda: calls.append(("hook", key)))
    between_reads()
    raise CardDeclined("no money")


def handle_integrity_error(key: str) -> str:
    Effect.objects.create(key=key)
    try:
        with transaction.atomic():
            Effect.objects.create(key=key)
    except IntegrityError:
        return "handled"
    return "no error"


def insert_with_failing_hook(key: str) -> str:
    Effect.objects.create(key=key)
    transaction.on_commit(fail_in_hook)
    return key


def fail_in_hook() -> None:
    calls.append(("hook",))
    raise Unreachable("the hook has failed")


def insert_with_hook(key: str) -> str:
    Effect.objects.create(key=key)
    transaction.on_commit(lambda: calls.append(("hook", key)))
    return key


async def insert_two_async(key: str) -> list[str]:
    await Effect.objects.acreate(key=f"{key}-1")
    await asyncio.sleep(0)
    await Effect.objects.acreate(key=f"{key}-2")
    return [key]


async def insert_async_and_fail(key: str) -> None:
    await Effect.objects.acreate(key=key)
    raise CardDeclined("no money")


def raise_out(kind: str) -> None:
    """Raises what is no ``Exception``."""
    raise {
        "SystemExit": SystemExit(3),
        "KeyboardInterrupt": KeyboardInterrupt(),
        "GeneratorExit": GeneratorExit(),
        "CancelledError": asyncio.CancelledError(),
        "RecursionError": RecursionError("too deep"),
        "MemoryError": MemoryError(),
    }[kind]


async def raise_out_async(kind: str) -> None:
    raise_out(kind)


class Unreadable(Exception):
    def __str__(self) -> str:
        raise ValueError("its text is broken")


def raise_unreadable() -> None:
    raise Unreadable


def raise_strange_text() -> None:
    raise CardDeclined("nul \x00 and half \ud800 and \u2028 and " + "x" * 100_000)


def fail_with(kind: str, name: str) -> str:
    """Fails with ``kind`` at the first two calls."""
    calls.append((kind, name))
    if len([call for call in calls if call == (kind, name)]) <= 2:
        raise {"declined": CardDeclined, "unreachable": Unreachable}[kind](name)
    return name


def spin(seconds: float) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "spun"


def swallow_all(seconds: float) -> str:
    """``except Exception`` around everything does not keep a timeout off."""
    try:
        time.sleep(seconds)
    except Exception:  # noqa: BLE001 - that is the point
        return "swallowed"
    return "slept"


def own_timeout_error() -> None:
    raise TimeoutError("the far side did not answer")


async def own_timeout_error_async() -> None:
    await asyncio.sleep(0)
    raise TimeoutError("the far side did not answer")


def key_of_attempts(name: str) -> str:
    """Fails at first; says which idempotency key each attempt had."""
    calls.append((name, current_step().attempt, current_step().idempotency_key))
    if current_step().attempt < 3:
        raise Unreachable(name)
    return current_step().idempotency_key


def watch_for_cancel() -> bool:
    """Whether it was told, after the hooks, that nobody wants it any more."""
    assert not current_step().canceled()
    between_reads()
    current_step()._asked_at = float("-inf")
    return current_step().canceled()


def report_halfway() -> None:
    report_progress(1, 2, "halfway")
    between_reads()


def never_annotated():
    return object()


def large(size: int) -> str:
    return "x" * size


def deep(levels: int):
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def nul() -> str:
    return "a\x00b"


def surrogate() -> str:
    return "\ud800"


def nested_nan():
    return {"measurements": [1.0, float("nan")]}


def circular():
    value: list = []
    value.append(value)
    return value


def infinite() -> float:
    return float("-inf")


def record(name: str) -> str:
    calls.append((name,))
    return name


def transaction_settings() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")
        return list(cursor.fetchone())


def insert_and_return_nan(key: str) -> float:
    Effect.objects.create(key=key)
    return float("nan")


def insert_with_hook_and_fail(key: str) -> None:
    insert_with_hook(key)
    raise CardDeclined("no money")


def insert_for_commit(key: str) -> str:
    """Its first two calls write what a test's trigger refuses at the commit."""
    calls.append(("insert_for_commit", key))
    value = "fails once" if len(calls) <= 2 else "fine"
    Effect.objects.create(key=key, value=value)
    return value


def insert_and_nap(seconds: float) -> str:
    Effect.objects.create(key="before a nap")
    return nap(seconds)


async def insert_and_nap_async(seconds: float) -> str:
    await Effect.objects.acreate(key="before a nap")
    return await nap_async(seconds)


def nap_at_first(seconds: float) -> str:
    return nap(seconds if current_step().attempt == 1 else 0)


def negated(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is negative")
    return -number


async def who_am_i_async() -> dict:
    await asyncio.sleep(0)
    return who_am_i()


def my_key() -> str:
    return current_step().idempotency_key


def watch_for_cancel_and_record() -> None:
    calls.append(("canceled", watch_for_cancel()))


def double(counter: Counter) -> Counter:
    counter.value *= 2
    counter.save()
    return counter


def value_of(counter: Counter | None) -> int | None:
    return None if counter is None else counter.value


async def progress_async(total: int) -> int:
    await asyncio.gather(*(asyncio.to_thread(time.monotonic) for _ in range(2)))
    return progress(total)


def fail_at_first(name: str) -> str:
    if current_step().attempt == 1:
        raise Unreachable(name)
    return name


def insert_and_nap_unless_awake(seconds: float) -> str:
    return insert_and_nap(0 if "awake" in calls else seconds)


#: Statements that the database refuses, one for each of the next calls.
refusals: list[str] = []


def be_refused() -> None:
    """Run what the database refuses, if it is to refuse anything."""
    if refusals:
        sql = refusals.pop()
        try:
            with connection.cursor() as cursor:
                for each in sql.split(";;"):
                    cursor.execute(each)
        finally:
            if connection.vendor == "sqlite":
                connection.connection.execute("PRAGMA max_page_count = 1000000000")


def refused(key: str, how: str = "") -> str:
    """A write, and what the database refuses; ``how`` the function takes that."""
    calls.append(("refused", key))
    Effect.objects.create(key=key)
    try:
        be_refused()
    except DatabaseError as error:
        if how == "wrap":
            raise CardDeclined("no money") from error
        if how != "swallow":
            raise
    return key


def refused_query() -> int:
    calls.append(("refused_query",))
    be_refused()
    return len(calls)


def callback_refused(workflow_id: UUID, result: object, context: object) -> None:
    calls.append(("callback_refused",))
    be_refused()


class RateLimited(Exception):
    """As clients of HTTP have it."""

    def __init__(self, retry_after: object) -> None:
        super().__init__("429")
        self.retry_after = retry_after


async def asks_for_a_pause(name: str, kind: str, seconds: float) -> int:
    """Fails at first, and says when it may be called again."""
    return asks_for_a_pause_at_once(name, kind, seconds)


def asks_for_a_pause_at_once(name: str, kind: str, seconds: float) -> int:
    attempt = current_step().attempt
    if attempt > 1:
        return attempt
    raise RetryAfter(timedelta(seconds=seconds)) if kind == "ours" else RateLimited(str(seconds))
