"""Every kind of step call: what it gives, and the calls that a type checker must refuse."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type
from uuid import UUID

from django_workflows import RetryPolicy, WorkflowContext


def use(*values: object) -> None:
    raise NotImplementedError


@dataclass
class Place:
    name: str
    latitude: float


def find(name: str, *, country: str = "") -> Place:
    raise NotImplementedError


async def measure(latitude: float, hour: int = 0) -> int:
    raise NotImplementedError


def forget() -> None:
    raise NotImplementedError


async def maybe(number: int | None) -> list[str] | None:
    raise NotImplementedError


async def right(step: WorkflowContext) -> None:
    assert_type(await step.run_query(find, "Paris"), Place)
    assert_type(await step.run_mutation(find, "Paris", country="FR"), Place)
    assert_type(await step.run_action(find, name="Paris"), Place)
    assert_type(await step.run_query(measure, 1.5), int)
    assert_type(await step.run_mutation(measure, 1.5, 3), int)
    assert_type(await step.run_action(measure, latitude=1.5, hour=3), int)
    assert_type(await step.run_action(maybe, None), list[str] | None)
    assert_type(step.run_action(measure, 1.5), asyncio.Future[int])
    await step.run_action(forget)
    retrying = step.with_options(retry=RetryPolicy(max_attempts=3), run_after=timedelta(days=1))
    assert_type(await retrying.run_action(find, "Paris"), Place)


async def wrong_argument(step: WorkflowContext) -> None:
    await step.run_query(find, 1)  # refused: call-overload
    await step.run_mutation(find, name=None)  # refused: call-overload
    await step.run_action(find, "Paris", country=33)  # refused: arg-type
    await step.run_query(measure, "1.5")  # refused: call-overload
    await step.run_mutation(measure, 1.5, hour="3")  # refused: arg-type
    await step.run_action(measure, 1.5, None)  # refused: call-overload


async def missing_argument(step: WorkflowContext) -> None:
    await step.run_query(find)  # refused: call-overload
    await step.run_mutation(find, country="FR")  # refused: call-overload
    await step.run_action(measure)  # refused: call-overload


async def extra_argument(step: WorkflowContext) -> None:
    await step.run_query(find, "Paris", "FR")  # refused: call-overload
    await step.run_mutation(find, "Paris", planet="Earth")  # refused: arg-type, call-arg
    await step.run_action(measure, 1.5, 3, 4)  # refused: call-overload
    await step.run_action(forget, 1)  # refused: call-overload


async def no_function(step: WorkflowContext) -> None:
    await step.run_query("find", "Paris")  # refused: call-overload
    await step.run_action(find("Paris"))  # refused: call-overload


async def wrong_use_of_the_result(step: WorkflowContext) -> None:
    place = await step.run_query(find, "Paris")
    use(place.longitude)  # refused: attr-defined
    degrees: str = await step.run_action(measure, 1.5)  # refused: call-overload
    use(step.run_action(find, "Paris").name)  # refused: attr-defined
    names = await step.run_action(maybe, 1)
    names.append("x")  # refused: union-attr
    use(degrees)


async def side_by_side(step: WorkflowContext) -> None:
    place, degrees = await asyncio.gather(step.run_query(find, "Paris"), step.run_action(measure, 1.5))
    assert_type(place, Place)
    assert_type(degrees, int)
    assert_type(await asyncio.gather(*(step.run_action(measure, x) for x in (1.5, 2.5))), list[int])
    assert_type(await asyncio.wait_for(step.run_action(measure, 1.5), timeout=3), int)
    racing = [step.run_action(measure, 1.5), step.run_action(measure, 2.5)]
    done, _ = await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
    assert_type(done.pop().result(), int)
    assert_type(await step.map(measure, [1.5, 2.5]), list[int])
    assert_type(await step.map(find, ["Paris"], limit=3), list[Place])
    await step.map(measure, ["Paris"])  # refused: arg-type
    await step.map(find, [1, 2])  # refused: arg-type
    await step.map(find, ["Paris"], limit="3")  # refused: call-overload
    use(degrees.name)  # refused: attr-defined


async def the_rest(step: WorkflowContext) -> None:
    assert_type(await step.create_event("reply"), UUID)
    assert_type(step.workflow_id, UUID)
    assert_type(step.uuid4(), UUID)
    assert_type(step.random.random(), float)
    assert_type(step.patched("a"), bool)
    await step.sleep(timedelta(days=1))
    await step.sleep_until(step.now() + timedelta(days=1))
    await step.sleep("a day")  # refused: arg-type
    await step.sleep_until(3)  # refused: arg-type
    step.patched(1)  # refused: arg-type
