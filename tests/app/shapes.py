"""Values of all the types that travel through journals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from django_workflows import WorkflowContext, WorkflowManager

workflow = WorkflowManager()


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Place:
    name: str
    founded: date
    tags: frozenset[str] = field(default_factory=frozenset)


class Address(TypedDict):
    street: str
    number: int


class Approved(BaseModel):
    approved: Literal[True]
    choice: int


class Rejected(BaseModel):
    approved: Literal[False]
    reason: str


@dataclass
class Everything:
    when: datetime
    pause: timedelta
    amount: Decimal
    ident: UUID
    colour: Colour
    size: Size
    place: Place
    address: Address
    answer: Approved | Rejected
    pair: tuple[int, Decimal]
    by_place: dict[str, list[Place]]
    nothing: int | None
    raw: bytes


EVERYTHING = Everything(
    when=datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=UTC),
    pause=timedelta(days=1, microseconds=1),
    amount=Decimal("1.500"),
    ident=UUID("00000000-0000-4000-8000-0000000000ff"),
    colour=Colour.BLUE,
    size=Size.LARGE,
    place=Place("Zürich \U0001f3d4", date(1, 1, 1), frozenset({"a"})),
    address=Address(street="\u2028 'x'; DROP TABLE", number=2**70),
    answer=Rejected(approved=False, reason=""),
    pair=(1, Decimal("0E-10")),
    by_place={"": [], "k": [Place("x", date(9999, 12, 31))]},
    nothing=None,
    raw=b"abc",
)


def pass_everything(value: Everything) -> Everything:
    check(value)
    return value


def pass_datetime(value: datetime) -> datetime:
    assert isinstance(value, datetime)
    return value


def pass_decimal(value: Decimal) -> Decimal:
    assert isinstance(value, Decimal)
    return value


def pass_uuid(value: UUID) -> UUID:
    assert isinstance(value, UUID)
    return value


def pass_enum(value: Colour) -> Colour:
    assert isinstance(value, Colour)
    return value


def pass_address(value: Address) -> Address:
    assert value["number"] + 1
    return value


def pass_answer(value: Approved | Rejected) -> Approved | Rejected:
    assert isinstance(value, (Approved, Rejected))
    return value


def pass_tuple(value: tuple[int, Place]) -> tuple[int, Place]:
    assert isinstance(value, tuple)
    assert isinstance(value[1], Place)
    return value


def pass_optional(value: Place | None) -> Place | None:
    assert value is None or isinstance(value, Place)
    return value


def pass_number(value: float) -> float:
    return value


async def pass_async(value: Place) -> Place:
    assert isinstance(value, Place)
    return value


def check(value: Everything) -> None:
    assert value == EVERYTHING, value
    assert [type(item) for item in vars(value).values()] == [type(item) for item in vars(EVERYTHING).values()]
    assert (str(value.amount), str(value.pair[1])) == ("1.500", "0E-10")


@workflow.define
async def trip(step: WorkflowContext, everything: Everything) -> Everything:
    check(everything)
    back = await step.run_action(pass_everything, everything)
    check(back)
    back = await step.with_options(inline=True).run_query(pass_everything, back)
    check(back)
    return await step.run_workflow(short_trip, back)


@workflow.define
async def short_trip(step: WorkflowContext, everything: Everything) -> Everything:
    check(everything)
    return everything


@workflow.define
async def typed_steps(step: WorkflowContext) -> list[str]:
    place = Place("x", date(2026, 1, 1))
    calls = [
        (pass_datetime, EVERYTHING.when),
        (pass_decimal, Decimal("1.500")),
        (pass_uuid, EVERYTHING.ident),
        (pass_enum, Colour.RED),
        (pass_address, Address(street="s", number=1)),
        (pass_answer, Approved(approved=True, choice=1)),
        (pass_answer, Rejected(approved=False, reason="no")),
        (pass_tuple, (1, place)),
        (pass_optional, None),
        (pass_optional, place),
        (pass_async, place),
        (pass_number, 0.1 + 0.2),
        (pass_number, -0.0),
        (pass_number, 5e-324),
    ]
    for function, value in calls:
        back = await step.run_action(function, value)
        assert (back, type(back), str(back)) == (value, type(value), str(value)), (function, back)
    return [function.__name__ for function, _ in calls]
