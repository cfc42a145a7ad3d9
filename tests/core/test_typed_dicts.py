"""``typing.TypedDict`` as users write it, also where pydantic by itself would refuse it."""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

import pytest
from annotated_types import Gt

from django_workflows.core.payloads import codec_for
from django_workflows.exceptions import InvalidPayload


class Inner(TypedDict):
    amount: Annotated[int, Gt(0)]


class Order(TypedDict):
    name: str
    lines: list[Inner]
    note: NotRequired[str]


class Loose(TypedDict, total=False):
    a: int


ORDER: Order = {"name": "x", "lines": [{"amount": 1}]}


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Order, ORDER),
        (list[Order], [ORDER, {**ORDER, "note": "n"}]),
        (Order | None, ORDER),
        (Order | None, None),
        (dict[str, Inner | int], {"a": {"amount": 2}, "b": 3}),
        (Loose, {}),
        (tuple[Inner, ...], ({"amount": 1}, {"amount": 2})),
    ],
)
def test_a_typed_dict_comes_back_as_it_was(annotation: Any, value: Any) -> None:
    text, decoded = codec_for(annotation).encode_checked(value, what="value", max_bytes=10_000)
    assert decoded == value
    assert codec_for(annotation).decode(text) == value


@pytest.mark.parametrize("value", [{"name": "x"}, {"name": "x", "lines": [{"amount": 0}]}, {"name": 1, "lines": []}])
def test_what_does_not_fit_a_typed_dict_is_refused(value: Any) -> None:
    with pytest.raises(InvalidPayload, match=r"^value"):
        codec_for(Order).encode_checked(value, what="value", max_bytes=10_000)


@dataclass
class Shipment:
    order: Order
    others: list[Inner]
    parent: "Shipment | None" = None


class Box(NamedTuple):
    inner: Inner


SHIPMENT = Shipment(ORDER, [{"amount": 3}], Shipment(ORDER, []))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Shipment, SHIPMENT),
        (list[Shipment | None], [SHIPMENT, None]),
        (Box, Box({"amount": 4})),
    ],
)
def test_a_typed_dict_in_a_field_comes_back_as_it_was(annotation: Any, value: Any) -> None:
    text, decoded = codec_for(annotation).encode_checked(value, what="value", max_bytes=10_000)
    assert decoded == value
    assert codec_for(annotation).decode(text) == value
