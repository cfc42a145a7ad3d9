"""Events: awaiting one gives the type that it was defined with, unions, literals and generics included."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypedDict, assert_type
from uuid import UUID

from pydantic import BaseModel

from django_workflows import WorkflowContext, WorkflowManager, define_event


def use(*values: object) -> None:
    raise NotImplementedError


class Approved(BaseModel):
    approved: Literal[True]
    choice: int


class Rejected(BaseModel):
    approved: Literal[False]
    reason: str


@dataclass
class Paid:
    cents: int


class Verified(TypedDict):
    ok: bool


approval = define_event("approval", Approved | Rejected)
paid = define_event("paid", Paid)
verified = define_event("verified", Verified)
colour = define_event("colour", Literal["red", "green"])
maybe = define_event("maybe", int | None)
prices = define_event("prices", dict[str, list[int]])
anything = define_event("anything")
define_event("nothing", 3)  # refused: call-overload
define_event(3, Paid)  # refused: call-overload


async def right(step: WorkflowContext) -> None:
    answer = await step.await_event(approval)
    assert_type(answer, Approved | Rejected)
    if isinstance(answer, Approved):
        assert_type(answer, Approved)
        assert_type(answer.choice, int)
    else:
        assert_type(answer.reason, str)
    assert_type(await step.await_event(paid, timeout=timedelta(days=3)), Paid)
    assert_type(await step.await_event(verified, timeout=30), Verified)
    assert_type(await step.await_event(colour), Literal["red", "green"])
    assert_type(await step.await_event(maybe), int | None)
    assert_type(await step.await_event(prices), dict[str, list[int]])
    assert_type(await step.await_event(anything), Any)
    assert_type(await step.await_event("by name"), Any)
    assert_type(await step.await_event(await step.create_event("by id")), Any)
    first, second = await asyncio.gather(step.await_event(approval), step.await_event(paid))
    assert_type(first, Approved | Rejected)
    assert_type(second, Paid)


async def wrong(step: WorkflowContext) -> None:
    answer = await step.await_event(approval)
    use(answer.choice)  # refused: union-attr
    number: int = await step.await_event(maybe)  # refused: arg-type
    use((await step.await_event(paid)).euros)  # refused: attr-defined
    blue: Literal["blue"] = await step.await_event(colour)  # refused: arg-type
    use(number, blue)
    await step.await_event(3)  # refused: call-overload
    await step.await_event(paid, timeout="3 days")  # refused: call-overload
    await step.await_event(paid, 3, 4)  # refused: call-overload


workflow = WorkflowManager()
go = define_event("go", None)


def send_right(workflow_id: UUID, event_id: UUID, answer: Approved | Rejected) -> None:
    assert_type(workflow.send_event(workflow_id, approval, Approved(approved=True, choice=2)), UUID)
    assert_type(workflow.send_event(str(workflow_id), approval, answer), UUID)
    workflow.send_event(workflow_id, event=paid, value=Paid(3))
    workflow.send_event(workflow_id, verified, Verified(ok=True))
    workflow.send_event(workflow_id, colour, "red")
    workflow.send_event(workflow_id, maybe, None)
    workflow.send_event(workflow_id, prices, {"book": [1, 2]})
    workflow.send_event(workflow_id, anything, object())
    workflow.send_event(workflow_id, anything)
    workflow.send_event(workflow_id, go)
    workflow.send_event(workflow_id, approval, error="gave up")
    workflow.send_event(workflow_id, "by name", 3)
    workflow.send_event(workflow_id, "by name", error="gave up")
    workflow.send_event(event_id=event_id, value=3)
    workflow.send_event(event_id=event_id, error="gave up")


async def asend_right(workflow_id: UUID, event_id: UUID) -> None:
    assert_type(await workflow.asend_event(workflow_id, approval, Approved(approved=True, choice=2)), UUID)
    await workflow.asend_event(workflow_id, verified, Verified(ok=True))
    await workflow.asend_event(workflow_id, go)
    await workflow.asend_event(workflow_id, approval, error="gave up")
    await workflow.asend_event(workflow_id, "by name", 3)
    await workflow.asend_event(event_id=event_id, value=3)


async def send_wrong(workflow_id: UUID) -> None:
    workflow.send_event(workflow_id, approval, Paid(3))  # refused: misc
    workflow.send_event(workflow_id, approval, {"approved": True})  # refused: misc
    workflow.send_event(workflow_id, approval)  # refused: arg-type
    workflow.send_event(workflow_id, paid, None)  # refused: misc
    workflow.send_event(workflow_id, verified, {"ok": "yes"})  # refused: misc
    workflow.send_event(workflow_id, colour, "blue")  # refused: misc
    workflow.send_event(workflow_id, maybe, "text")  # refused: misc
    workflow.send_event(workflow_id, prices, {"book": ["dear"]})  # refused: misc
    workflow.send_event(workflow_id, approval, error=3)  # refused: call-overload
    workflow.send_event(workflow_id)  # refused: call-overload
    workflow.send_event(approval, Paid(3))  # refused: call-overload
    await workflow.asend_event(workflow_id, approval, Paid(3))  # refused: misc
    await workflow.asend_event(workflow_id, colour, "blue")  # refused: misc
    await workflow.asend_event(workflow_id, paid)  # refused: arg-type
