"""Arguments and results travel by the annotations of the callable; a wrong call says what is wrong with it."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import core_schema
from typing_extensions import TypedDict

from django_workflows.core import payloads
from django_workflows.core.payloads import Codec, register_codec
from django_workflows.core.signatures import Signature
from django_workflows.exceptions import InvalidArguments, InvalidPayload, InvalidStep, PayloadTooLarge

if TYPE_CHECKING:
    from somewhere import Context, Missing

WHAT = "arguments of step 3 (shop.steps.get_weather)"
HERE = __name__
SENTINEL: Any = object()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Place:
    latitude: float
    longitude: float = 0.0


class Order(BaseModel):
    model_config = ConfigDict(strict=True)
    order_id: int = Field(alias="orderId")
    at: datetime


class Filters(TypedDict):
    tags: list[str]


def get_weather(latitude: float, longitude: float) -> float: ...
def untyped(a, b=None, *args, **kwargs): ...
def everything(a: Place, b: date, /, c: int = 3, *rest: Decimal, flag: bool = False, **more: date) -> Place: ...
def keywords(*, name: str, limit: int | None = None) -> None: ...
def places_only(a: int = 1, b: int = 2, /) -> None: ...
def old_style(name: str = None) -> None: ...  # noqa: RUF013
def sentinel(name: str, limit: int = SENTINEL) -> None: ...
def filtered(filters: Filters, order: Order | None = None) -> list[Order]: ...
def unknown_name(count: int, when: Missing) -> None: ...
def unknown_result(count: int) -> list[Missing]: ...
def nonsense(count: Place(1) + 1, other: int = 0) -> None: ...
def no_json(thing: Iterator[int], other: int = 0) -> None: ...
async def handler(step: Context, location: str = "San Francisco", when: datetime | None = None) -> Place: ...


def encode(fn: Any, *args: Any, apply_defaults: bool = False, max_bytes: int = 10_000, **kwargs: Any) -> str:
    signature = Signature.of(fn)
    return signature.encode_arguments(args, kwargs, what=WHAT, max_bytes=max_bytes, apply_defaults=apply_defaults)


def encode_names(fn: Any, mapping: Any, *, apply_defaults: bool = False, skip: int = 0) -> str:
    return Signature.of(fn, skip=skip).encode_mapping(
        mapping, what=WHAT, max_bytes=10_000, apply_defaults=apply_defaults
    )


def call(fn: Any, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
    """How Python itself would bind what comes back from the text of a call."""
    args, kwargs = Signature.of(fn).decode_arguments(encode(fn, *args, **kwargs))
    return inspect.signature(fn).bind(*args, **kwargs)


def refusal(fn: Any, *args: Any, **kwargs: Any) -> InvalidArguments:
    with pytest.raises(InvalidArguments) as caught:
        encode(fn, *args, **kwargs)
    return checked(caught.value)


def checked(error: InvalidArguments) -> InvalidArguments:
    assert str(error).startswith(f"{WHAT}: {HERE}.")
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    assert error.errors
    assert all(set(problem) == {"loc", "msg", "type"} for problem in error.errors)
    json.dumps(error.errors, ensure_ascii=False).encode()
    return error


# -- storing


def test_arguments_are_stored_by_name_in_the_order_of_the_parameters() -> None:
    text = '{"latitude":1.5,"longitude":2.0}'
    assert encode(get_weather, 1.5, 2.0) == text
    assert encode(get_weather, longitude=2.0, latitude=1.5) == text
    assert encode(get_weather, 1.5, longitude=2) == text


def test_what_star_parameters_took_is_stored_under_their_own_names() -> None:
    assert encode(untyped, 1, 2, 3, 4, x=5) == '{"a":1,"b":2,"args":[3,4],"kwargs":{"x":5}}'
    assert encode(untyped, 1) == '{"a":1}'
    assert encode(untyped, 1, args=2, kwargs=3) == '{"a":1,"kwargs":{"args":2,"kwargs":3}}'


def test_defaults_are_stored_when_asked_for_only() -> None:
    assert encode(keywords, name="x") == '{"name":"x"}'
    assert encode(keywords, name="x", apply_defaults=True) == '{"name":"x","limit":null}'
    assert encode(untyped, 1, apply_defaults=True) == '{"a":1,"b":null}'


def test_default_without_json_is_left_to_the_callable() -> None:
    assert encode(sentinel, "x", apply_defaults=True) == '{"name":"x"}'


def test_default_of_none_makes_a_type_optional() -> None:
    assert encode(old_style, apply_defaults=True) == '{"name":null}'
    assert encode(old_style, None) == '{"name":null}'
    assert encode(old_style, "x") == '{"name":"x"}'


def test_skipped_parameter_is_neither_stored_nor_looked_at() -> None:
    signature = Signature.of(handler, skip=1)
    text = signature.encode_arguments(("Paris",), {}, what=WHAT, max_bytes=1000, apply_defaults=True)
    assert text == '{"location":"Paris","when":null}'
    assert signature.decode_arguments(text) == ((), {"location": "Paris", "when": None})
    assert signature.result.annotation is Place


def test_arguments_are_converted_to_their_annotations() -> None:
    assert encode(filtered, {"tags": ("a", "b")}, {"orderId": 1, "at": NOON}) == (
        '{"filters":{"tags":["a","b"]},"order":{"order_id":1,"at":"2026-03-01T12:00:00Z"}}'
    )
    assert encode(everything, {"latitude": 1}, "2026-01-01") == (
        '{"a":{"latitude":1.0,"longitude":0.0},"b":"2026-01-01"}'
    )


# -- reading


def test_arguments_come_back_ready_for_the_call() -> None:
    bound = call(everything, Place(1.0), date(2026, 1, 1), 5, Decimal("1.10"), flag=True, x=date(2026, 1, 2))
    assert bound.arguments == {
        "a": Place(1.0),
        "b": date(2026, 1, 1),
        "c": 5,
        "rest": (Decimal("1.10"),),
        "flag": True,
        "more": {"x": date(2026, 1, 2)},
    }


@given(st.lists(st.integers(), max_size=5), st.dictionaries(st.sampled_from("abcdefg"), st.integers()))
def test_any_call_of_anything_comes_back_as_it_was_made(args: list[int], kwargs: dict[str, int]) -> None:
    try:
        made = inspect.signature(untyped).bind(*args, **kwargs)
    except TypeError:
        refusal(untyped, *args, **kwargs)
    else:
        assert call(untyped, *args, **kwargs) == made


def test_parameter_before_star_args_takes_its_default_when_it_was_not_stored() -> None:
    text = '{"a":{"latitude":1.0},"b":"2026-01-01","rest":["1.10"]}'
    args, kwargs = Signature.of(everything).decode_arguments(text)
    assert args == (Place(1.0), date(2026, 1, 1), 3, Decimal("1.10"))
    assert kwargs == {}


def test_positional_only_parameters_come_back_by_place() -> None:
    assert Signature.of(places_only).decode_arguments("{}") == ((), {})
    assert Signature.of(places_only).decode_arguments('{"a":5}') == ((5,), {})
    assert Signature.of(places_only).decode_arguments('{"b":5}') == ((1, 5), {})


def test_parameter_with_a_default_may_be_added_later() -> None:
    args, kwargs = Signature.of(keywords).decode_arguments('{"name":"x"}')
    assert (args, kwargs) == ((), {"name": "x"})


@pytest.mark.parametrize(
    ("fn", "text", "message"),
    [
        (get_weather, '{"latitude":1.0}', "the argument 'longitude' is missing"),
        (get_weather, '{"latitude":1.0,"longitude":1.0,"alt":1.0}', "there is no parameter 'alt'; there are latitude"),
        (get_weather, '{"latitude":1.0,"longitud":1.0}', "did you mean 'longitude'? (and 1 more)"),
        (get_weather, '{"latitude":"x","longitude":[]}', "parameter 'latitude': Input should be a valid number"),
        (everything, '{"a":{"latitude":"x"},"b":"2026-01-01"}', "parameter 'a' at /latitude: Input should be a valid"),
        (everything, '{"a":{"latitude":1},"b":"2026-01-01","rest":5}', "parameter 'rest': Input should be a valid"),
        (untyped, '{"a":1,"kwargs":5}', "parameter 'kwargs': Input should be an object, got 5 (int)"),
        (untyped, "[1]", "arguments are given by name, in a dict or JSON object, and this is a list"),
        (untyped, "nope", "JSONDecodeError"),
    ],
)
def test_stored_arguments_that_the_code_does_not_take_say_so(fn: Any, text: str, message: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        Signature.of(fn).decode_arguments(text)
    assert str(caught.value).startswith(f"stored arguments do not fit the code: {HERE}.{fn.__name__}(): ")
    assert message in str(caught.value)
    assert caught.value.errors


# -- calls that are wrong


@pytest.mark.parametrize(
    ("args", "kwargs", "message", "loc", "kind"),
    [
        ((1,), {}, "get_weather(): the argument 'longitude' is missing", ["longitude"], "missing_argument"),
        ((1, 2, 3), {}, "3 positional arguments are given, and 2 are taken", [2], "unexpected_positional_argument"),
        ((1, 2), {"latitude": 1}, "the argument 'latitude' is given twice", ["latitude"], "multiple_argument_values"),
        (
            (1, 2),
            {"latitud": 1},
            "there is no parameter 'latitud'; did you mean 'latitude'?",
            ["latitud"],
            "unexpected_keyword_argument",
        ),
        (
            (1, 2),
            {"q": 1},
            "there is no parameter 'q'; there are latitude, longitude",
            ["q"],
            "unexpected_keyword_argument",
        ),
        (
            ("x", 2),
            {},
            "get_weather(): parameter 'latitude': Input should be a valid number, unable to parse",
            ["latitude"],
            "float_parsing",
        ),
        (
            (1, float("nan")),
            {},
            "parameter 'longitude': nan is a number that JSON does not have",
            ["longitude"],
            "finite_number",
        ),
    ],
)
def test_wrong_call_names_the_callable_and_the_parameter(
    args: Any, kwargs: Any, message: str, loc: list[Any], kind: str
) -> None:
    error = refusal(get_weather, *args, **kwargs)
    assert message in str(error)
    assert (error.errors[0]["loc"], error.errors[0]["type"]) == (loc, kind)


def test_all_that_is_wrong_is_listed() -> None:
    error = refusal(everything, {"latitude": "x", "longitude": []}, date(2026, 1, 1), rest=5, c="y")
    assert [problem["loc"] for problem in error.errors] == [
        ["a", "latitude"],
        ["a", "longitude"],
        ["c"],
        ["more", "rest"],
    ]
    assert "(and 3 more)" in str(error)


def test_argument_without_an_annotation_must_be_json() -> None:
    assert "parameter 'a' at /0: datetime.date(2026, 1, 1) (date) has no place in JSON: annotate its type" in str(
        refusal(untyped, [date(2026, 1, 1)])
    )
    assert "parameter 'args' at /1: {3} (set) would come back as [3] (list): annotate its type" in str(
        refusal(untyped, 1, 2, 3, {3})
    )
    assert refusal(untyped, 1, x={1}).errors[0]["loc"] == ["kwargs", "x"]


def test_arguments_beyond_the_limit_are_too_large_alone_and_together() -> None:
    for args in (("x" * 200,), (["x" * 200],), ("x" * 50, "y" * 50)):
        with pytest.raises(PayloadTooLarge, match=rf"^{WHAT[:20]}.* bytes of JSON, and 100 are allowed"):
            encode(untyped, *args, max_bytes=100)


def test_names_from_outside_cost_little_and_stay_short() -> None:
    error = refusal(get_weather, **{f"\ud800{number}" + "x" * 10_000: 1 for number in range(2_000)})
    assert len(error.errors) < 50
    assert all(len(problem["msg"]) < 300 for problem in error.errors)


# -- arguments by name


def test_arguments_by_name_may_have_the_values_of_json() -> None:
    text = encode_names(handler, {"when": "2026-03-01T12:00:00Z", "location": "Paris"}, skip=1)
    assert text == '{"location":"Paris","when":"2026-03-01T12:00:00Z"}'
    assert Signature.of(handler, skip=1).decode_arguments(text)[1]["when"] == NOON


@pytest.mark.parametrize("order", [{"orderId": 1, "at": "2026-03-01T12:00:00Z"}, {"order_id": 1, "at": NOON}])
def test_arguments_by_name_may_be_json_for_a_strict_model_or_pythons_own(order: Any) -> None:
    text = encode_names(filtered, {"filters": {"tags": []}, "order": order})
    assert text == '{"filters":{"tags":[]},"order":{"order_id":1,"at":"2026-03-01T12:00:00Z"}}'


def test_names_that_are_no_parameter_go_to_star_kwargs() -> None:
    assert encode_names(untyped, {"a": 1, "x": 2}) == '{"a":1,"kwargs":{"x":2}}'
    assert encode_names(untyped, {"a": 1, "args": [2], "kwargs": {"y": 3}, "x": 4}) == (
        '{"a":1,"args":[2],"kwargs":{"y":3,"x":4}}'
    )


def test_defaults_of_arguments_by_name_are_stored_when_asked_for() -> None:
    assert encode_names(keywords, {"name": "x"}, apply_defaults=True) == '{"name":"x","limit":null}'


@pytest.mark.parametrize(
    ("fn", "mapping", "message"),
    [
        (get_weather, {"latitude": 1}, "the argument 'longitude' is missing"),
        (get_weather, {"latitude": 1, "longitude": "north"}, "parameter 'longitude': Input should be a valid number"),
        (get_weather, {"latitude": 1, "longitude": 1, "longitud": 1}, "did you mean 'longitude'?"),
        (get_weather, {"latitude": 1, "longitude": float("inf")}, "inf is a number that JSON does not have"),
        (get_weather, {"latitude": 1, "longitude": 1, 5: 1}, "there is no parameter '5'"),
        (get_weather, [1, 2], "arguments are given by name, in a dict or JSON object, and this is a list"),
        (get_weather, None, "this is a NoneType"),
        (keywords, {"name": "x", "limit": "many"}, "parameter 'limit': Input should be a valid integer"),
        (filtered, {"filters": {"tags": "abc"}}, "parameter 'filters' at /tags: Input should be a valid array"),
        (untyped, {"a": 1, "args": 5}, "parameter 'args': Input should be a valid array"),
        (untyped, {"a": 1, "kwargs": 5}, "parameter 'kwargs': Input should be an object"),
        (untyped, {"a": 1, "kwargs": {"a": 2}}, "the argument 'a' is given twice"),
        (untyped, {"a": {1, 2}}, "parameter 'a': {1, 2} (set) has no place in JSON"),
    ],
)
def test_wrong_arguments_by_name_say_what_is_wrong(fn: Any, mapping: Any, message: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        encode_names(fn, mapping)
    assert message in str(checked(caught.value))


# -- annotations


def test_signature_of_a_callable_is_made_once() -> None:
    assert Signature.of(get_weather) is Signature.of(get_weather)
    assert Signature.of(handler, skip=1) is not Signature.of(handler)


def test_result_is_typed_by_the_annotation() -> None:
    assert Signature.of(everything).result.decode('{"latitude":1}') == Place(1.0)
    assert Signature.of(untyped).result.decode('{"latitude":1}') == {"latitude": 1}
    with pytest.raises(InvalidPayload, match=r"^result: Input should be None, got 5 \(int\)$"):
        Signature.of(keywords).result.encode(5, what="result", max_bytes=10)


def test_wrapped_function_has_the_types_of_what_it_wraps() -> None:
    @functools.wraps(everything)
    def wrapper(*args: Any, **kwargs: Any) -> Any: ...

    assert encode(wrapper, {"latitude": 1}, "2026-01-01") == encode(everything, {"latitude": 1}, "2026-01-01")


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (
            unknown_name,
            "unknown_name: its parameter 'when': its annotation 'Missing' uses the name 'Missing', which is not",
        ),
        (nonsense, "nonsense: its parameter 'count': its annotation 'Place(1) + 1' cannot be evaluated: TypeError"),
        (no_json, "no_json: its parameter 'thing': values of collections.abc.Iterator[int] cannot be stored as JSON"),
        (dict, "<class 'dict'> has no signature that can be read: call it from a function of your own"),
    ],
)
def test_annotation_that_cannot_be_used_names_its_parameter(fn: Any, message: str) -> None:
    with pytest.raises(InvalidStep) as caught:
        encode(fn, 1, 2)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_result_that_cannot_be_resolved_does_no_harm_to_the_arguments() -> None:
    assert encode(unknown_result, 5) == '{"count":5}'
    with pytest.raises(InvalidStep, match=r"unknown_result: its result: .* uses the name 'Missing'"):
        _ = Signature.of(unknown_result).result


def test_callable_that_cannot_be_hashed_has_a_signature_too() -> None:
    class Unhashable:
        __hash__ = None

        def __call__(self, count: int) -> None: ...

    assert encode(Unhashable(), "5") == '{"count":5}'


class Customer:
    def __init__(self, pk: int) -> None:
        self.pk = pk


class CustomerCodec(Codec[Any]):
    def convert(self, value: Any) -> Any:
        if value is not None and not isinstance(value, Customer):
            raise TypeError(f"a Customer is needed, not {value!r}")
        return value

    def from_outside(self, value: Any) -> Any:
        return value if isinstance(value, Customer) else self.from_jsonable(value)

    def to_jsonable(self, value: Any) -> Any:
        return value and value.pk

    def from_jsonable(self, value: Any) -> Any:
        return value and Customer(value)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer"}


@pytest.mark.usefixtures("customers")
def test_registered_codec_carries_arguments() -> None:
    def greet(customer: Customer, friend: Optional[Customer] = None) -> None: ...  # noqa: UP045

    assert encode(greet, Customer(7)) == '{"customer":7}'
    _, kwargs = Signature.of(greet).decode_arguments('{"customer":7,"friend":null}')
    assert (kwargs["customer"].pk, kwargs["friend"]) == (7, None)
    assert encode_names(greet, {"customer": 8, "friend": Customer(9)}) == '{"customer":8,"friend":9}'
    assert "parameter 'customer': TypeError: a Customer is needed, not 5" in str(refusal(greet, 5))
    assert Signature.of(greet).json_schema()["properties"] == {
        "customer": {"type": "integer"},
        "friend": {"type": "integer", "default": None},
    }


@pytest.fixture
def customers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(payloads, "_registered", [])
    register_codec(lambda annotation: annotation in (Customer, Optional[Customer]), CustomerCodec)  # noqa: UP045
    yield
    payloads._cached_codec.cache_clear()


# -- schemas


def test_schema_of_arguments_is_an_object_by_name() -> None:
    assert Signature.of(handler, skip=1).json_schema() == {
        "type": "object",
        "properties": {
            "location": {"type": "string", "default": "San Francisco"},
            "when": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "default": None},
        },
        "required": [],
        "additionalProperties": False,
    }


def test_schema_of_arguments_shares_definitions_and_follows_aliases() -> None:
    schema = Signature.of(filtered).json_schema()
    assert schema["required"] == ["filters"]
    assert schema["properties"]["filters"] == {"$ref": "#/$defs/Filters"}
    assert list(schema["$defs"]["Order"]["properties"]) == ["orderId", "at"]


def test_two_classes_of_one_name_have_a_definition_each() -> None:
    here = Place

    @dataclass
    class Place_:  # noqa: N801
        name: str

    Place_.__name__ = "Place"

    def compare(a: Any, b: Any) -> None: ...

    compare.__annotations__ = {"a": here, "b": Place_}
    assert len(Signature.of(compare).json_schema()["$defs"]) == 2


def test_star_kwargs_and_types_without_a_schema_allow_anything() -> None:
    schema = Signature.of(untyped).json_schema()
    assert schema["additionalProperties"] is True
    assert schema["properties"]["a"] == {}
    assert schema["required"] == ["a"]

    class Opaque:
        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
            return core_schema.no_info_plain_validator_function(lambda value: value)

    def opaque(thing: Any) -> Any: ...

    opaque.__annotations__ = {"thing": Opaque, "return": Opaque}
    assert Signature.of(opaque).json_schema()["properties"] == {"thing": {}}
    assert Signature.of(opaque).result_schema() == {}


def test_schema_of_a_result_describes_what_journals_keep() -> None:
    assert list(Signature.of(filtered).result_schema()["$defs"]["Order"]["properties"]) == ["order_id", "at"]
    assert Signature.of(untyped).result_schema() == {}
    assert Signature.of(get_weather).result_schema() == {"type": "number"}
