"""A user's app, as far as its tests need it: step functions and workflows."""

from __future__ import annotations

import asyncio
import smtplib
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from django_workflows import (
    ChildWorkflowFailed,
    RetryPolicy,
    StepFailed,
    WorkflowContext,
    WorkflowManager,
    current_step,
    define_event,
)
from tests.app.models import Effect

workflow = WorkflowManager()
slow = WorkflowManager(rate_limit=(2, 60))
verified = define_event("verificationEmail", dict[str, bool])
three_times = RetryPolicy(max_attempts=3, initial_backoff=timedelta(minutes=1), base=2)


@dataclass
class Receipt:
    amount: Decimal
    at: datetime | None = None


def send_email(user_id: int) -> str:
    raise AssertionError("a test must not send e-mail")


async def fetch_price(item: str, *, currency: str = "EUR") -> Decimal:
    raise AssertionError("a test must not use the network")


def charge(amount: Decimal, item: str = "book") -> Receipt:
    raise AssertionError("a test must not charge anybody")


def add(a: int, b: int) -> int:
    return a + b


def save(key: str, value: str = "") -> None:
    Effect.objects.create(key=key, value=value)


def save_and_fail(key: str) -> None:
    save(key)
    raise ValueError("after saving")


def save_twice(key: str) -> None:
    save(key)
    save(key)


def save_twice_and_swallow(key: str) -> str:
    save(key)
    try:
        save(key)
    except IntegrityError:
        return "swallowed"
    return "saved"


def saved_keys() -> list[str]:
    return list(Effect.objects.order_by("key").values_list("key", flat=True))


def attempt_number() -> int:
    return current_step().attempt


@workflow.define
async def onboarding(step: WorkflowContext, user_id: int) -> None:
    await step.with_options(retry=True).run_action(send_email, user_id)
    await step.await_event(verified)
    await step.with_options(run_after=timedelta(days=1), name="followUp").run_mutation(save, f"follow-up {user_id}")


@workflow.define
async def buying(step: WorkflowContext, item: str) -> Receipt:
    price = await step.run_action(fetch_price, item)
    return await step.run_action(charge, price, item)


@workflow.define
async def pricing(step: WorkflowContext, item: str, currency: str = "EUR") -> Decimal:
    return await step.run_action(fetch_price, item, currency=currency)


@workflow.define
async def quoting(step: WorkflowContext, item: str) -> str:
    try:
        price = await step.run_workflow(pricing, item)
    except ChildWorkflowFailed as error:
        return f"no price: {error.message}, {error.caused_by(LookupError)}"
    assert isinstance(price, Decimal)
    return f"{item} costs {price}"


@workflow.define
async def retrying(step: WorkflowContext, user_id: int) -> str:
    try:
        return await step.with_options(retry=three_times).run_action(send_email, user_id)
    except StepFailed as error:
        return f"{error.error_type} after {error.attempts}, {error.caused_by(smtplib.SMTPException)}"


@workflow.define
async def two_timers(step: WorkflowContext) -> list[datetime]:
    seen = [step.now()]

    async def sleep(hours: int) -> None:
        await step.sleep(timedelta(hours=hours))
        seen.append(step.now())

    await asyncio.gather(sleep(2), sleep(1))
    return seen


@workflow.define
async def long_chain(step: WorkflowContext, length: int) -> int:
    total = 0
    for number in range(length):
        total = await step.run_action(add, total, number)
    return total


@workflow.define
async def wide(step: WorkflowContext, count: int) -> int:
    return sum(await asyncio.gather(*(step.run_action(add, number, 1) for number in range(count))))


@slow.define
async def paced(step: WorkflowContext, count: int) -> int:
    return len(await asyncio.gather(*(step.run_action(add, index, 1) for index in range(count))))


@workflow.define
async def endless(step: WorkflowContext) -> None:
    while True:
        await step.run_action(add, 1, 1)


@workflow.define
async def every_minute(step: WorkflowContext) -> None:
    while True:
        await step.sleep(60)


@workflow.define
async def saving(step: WorkflowContext, key: str) -> list[str]:
    for run, fn, name in (
        (step.run_action, save_twice, "action"),
        (step.run_mutation, save_twice, "mutation"),
        (step.run_action, save_and_fail, "kept"),
    ):
        try:
            await run(fn, f"{key}-{name}")
        except StepFailed as error:
            if not error.caused_by(IntegrityError, ValueError):
                raise
    await step.with_options(inline=True).run_mutation(save, f"{key}-inline")
    before = await step.run_query(saved_keys)
    await step.run_mutation(save, f"{key}-last")
    return before


@workflow.define
async def swallowing(step: WorkflowContext, key: str) -> str:
    return await step.run_action(save_twice_and_swallow, key)


@workflow.define
async def writing_in_a_query(step: WorkflowContext, key: str) -> None:
    await step.run_query(save, key)


turns: list[int] = []


@workflow.define
async def counting_turns(step: WorkflowContext) -> int:
    """Asks for another step each time that it is replayed."""
    turns.append(1)
    if len(turns) > 1:
        await step.run_action(add, len(turns), 0)
    await step.run_action(add, 1, 1)
    return 1


@workflow.define
async def tidying(step: WorkflowContext, key: str) -> None:
    """Has subtasks with clean-up steps, which must not be left to the garbage collector."""

    async def one(number: int) -> None:
        try:
            await step.sleep(timedelta(days=number), name=f"nap {number}")
        finally:
            await step.run_mutation(save, f"{key}-{number}")

    async with asyncio.TaskGroup() as group:
        for number in (1, 2):
            group.create_task(one(number))


@workflow.define(queue="mail", priority=5)
async def elsewhere(step: WorkflowContext) -> int:
    return await step.run_action(attempt_number)


def completed(workflow_id: Any, result: Any, context: Any) -> None:
    save(f"completed {context}", result.kind)


def start_in_view(user_id: int) -> None:
    """As a view does it that wants the mail to be sent after its own commit."""
    transaction.on_commit(lambda: onboarding.start(user_id))
