"""Definitions: what they start with and what children give, and the calls that a type checker must refuse."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import assert_type
from uuid import UUID

from django_workflows import RetryPolicy, WorkflowContext, WorkflowDefinition, WorkflowManager

workflow = WorkflowManager(default_retry=RetryPolicy(max_attempts=3))


def use(*values: object) -> None:
    raise NotImplementedError


@workflow.define
async def charge(step: WorkflowContext, order: int, amount: Decimal, note: str = "") -> bool:
    raise NotImplementedError


@workflow.define(name="shop.refund", retry_actions_by_default=True)
async def refund(step: WorkflowContext, order: int) -> None:
    raise NotImplementedError


assert_type(charge.start(1, Decimal(2)), UUID)
assert_type(charge.start(order=1, amount=Decimal(2), note="x"), UUID)
assert_type(charge.with_options(idempotency_key="1").start(1, Decimal(2)), UUID)
assert_type(charge.with_options(key="1").with_options(run_after=5).start(1, amount=Decimal(2)), UUID)
assert_type(refund.start(1), UUID)


async def start_from_async_code() -> None:
    assert_type(await charge.astart(1, Decimal(2)), UUID)
    assert_type(await charge.with_options(run_after=timedelta(hours=1)).astart(1, Decimal(2)), UUID)
    await charge.astart("1", Decimal(2))  # refused: arg-type
    await charge.astart(1)  # refused: call-arg
    await charge.with_options(key="1").astart(1, Decimal(2), "x", 3)  # refused: call-arg
    use((await charge.astart(1, Decimal(2))).name)  # refused: attr-defined


charge.start("1", Decimal(2))  # refused: arg-type
charge.start(1, amount=2.5)  # refused: arg-type
charge.start(1)  # refused: call-arg
charge.start(1, Decimal(2), "x", 3)  # refused: call-arg
charge.start(1, Decimal(2), nope="x")  # refused: call-arg
charge.with_options(key="1").start("1", Decimal(2))  # refused: arg-type
charge.with_options(key="1").start(1)  # refused: call-arg
refund.start()  # refused: call-arg
refund.start("1")  # refused: arg-type
started: str = refund.start(1)  # refused: assignment


@workflow.define
async def parent(step: WorkflowContext) -> None:
    assert_type(await step.run_workflow(charge, 1, Decimal(2)), bool)
    assert_type(await step.run_workflow(charge, order=1, amount=Decimal(2), note="x"), bool)
    await step.run_workflow(refund, 1)
    paid, _ = await asyncio.gather(step.run_workflow(charge, 1, Decimal(2)), step.run_workflow(refund, 1))
    assert_type(paid, bool)
    await step.run_workflow(charge, "1", Decimal(2))  # refused: arg-type
    await step.run_workflow(charge, 1)  # refused: call-arg
    await step.run_workflow(charge, 1, Decimal(2), "x", 3)  # refused: call-arg
    await step.run_workflow(start_from_async_code)  # refused: arg-type
    use((await step.run_workflow(charge, 1, Decimal(2))).total)  # refused: attr-defined


parent.start()
takes_any: WorkflowDefinition[[int], None] = refund
takes_other: WorkflowDefinition[[str], None] = refund  # refused: assignment


@workflow.define  # refused: arg-type
def no_coroutine(step: WorkflowContext) -> None:
    raise NotImplementedError


@workflow.define  # refused: arg-type
async def no_context() -> None:
    raise NotImplementedError
