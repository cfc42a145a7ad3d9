"""Workflows that the API's tests start from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from django_workflows import WorkflowContext, WorkflowManager, define_event
from tests.app import steps

workflow = WorkflowManager()


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Item:
    """What is ordered."""

    name: str
    size: Size = Size.SMALL
    price: float = 0.0


@dataclass
class Address:
    city: str
    lines: list[str] = field(default_factory=list)


class Paid(BaseModel):
    kind: Literal["paid"] = "paid"
    amount: Annotated[int, Field(ge=0)]


class Refused(BaseModel):
    kind: Literal["refused"] = "refused"
    reason: str


payment = define_event("api payment", Annotated[Paid | Refused, Field(discriminator="kind")])


hidden_approval = define_event("hidden approval", Paid)


@workflow.define(api=True)
async def order(
    step: WorkflowContext, items: list[Item], address: Address | None = None, due: datetime | None = None
) -> dict[str, Any]:
    """Take an order, and wait until it is paid.

    The second paragraph.
    """
    total = await step.run_action(steps.add, len(items), 0)
    answer = await step.await_event(payment)
    if isinstance(answer, Refused):
        raise ValueError(f"refused: {answer.reason}")
    return {"total": total, "paid": answer.amount}


@workflow.define(api=True)
async def echo(step: WorkflowContext, value: Any = None, password: str = "") -> Any:
    """Give back what it gets."""
    return await step.run_action(steps.echo, value)


@workflow.define(api=True)
async def quick(step: WorkflowContext, number: int = 1) -> int:
    return await step.run_action(steps.add, number, 1)


@workflow.define
async def family(step: WorkflowContext, numbers: list[int]) -> Any:
    """Has children, of which somebody may see some only."""
    return [await step.run_workflow(quick, number) for number in numbers] + [await step.run_workflow(echo, "x")]


@workflow.define
async def secret(step: WorkflowContext) -> None:
    """Nobody outside may start this."""
    await step.await_event(hidden_approval)
