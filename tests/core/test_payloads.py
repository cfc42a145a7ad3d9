"""Values come back from their text as exactly what they were, or are refused in one readable line."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import subprocess
import sys
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NoReturn, Optional, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    computed_field,
    field_serializer,
)
from typing_extensions import TypedDict

from django_workflows.core import payloads
from django_workflows.core.payloads import MAX_DEPTH, Codec, codec_for, register_codec, same_json, sanitize_text
from django_workflows.core.plain_json import size_of
from django_workflows.exceptions import InvalidPayload, InvalidStep, PayloadTooLarge

WHAT = "result of step 3 (shop.steps.get_weather)"
PARIS = ZoneInfo("Europe/Paris")
MIB = 1024 * 1024
T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    GREEN = 2


class Level(enum.IntEnum):
    LOW = 1


class Label(enum.StrEnum):
    NEW = "new"


class Point(NamedTuple):
    x: int
    label: str


class Options(TypedDict, total=False):
    since: date
    tags: set[str]


@dataclass
class Report:
    name: str
    temperature: float
    at: datetime
    parts: list[int] = field(default_factory=list)
    next: Report | None = None


@dataclass
class Detailed(Report):
    note: str = ""


@dataclass(frozen=True)
class Blob:
    data: bytes
    labels: frozenset[str] = frozenset()


class Approved(BaseModel):
    approved: Literal[True]
    choice: int


class Rejected(BaseModel):
    approved: Literal[False]
    reason: str


class Animal(BaseModel):
    name: str


class Dog(Animal):
    breed: str = "mixed"


class Box(BaseModel, Generic[T]):
    content: T


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    at: datetime
    ids: set[uuid.UUID]

    @computed_field
    def size(self) -> int:
        return len(self.ids)


class Aliased(BaseModel):
    place_name: str = Field(alias="placeName")
    kind: int = Field(validation_alias="kindIn", serialization_alias="kindOut")


UserId = NewType("UserId", int)
Even = Annotated[int, AfterValidator(lambda number: number - number % 2)]
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def encode(annotation: Any, value: Any, *, max_bytes: int = MIB) -> tuple[str, Any]:
    return codec_for(annotation).encode_checked(value, what=WHAT, max_bytes=max_bytes)


def refusal(annotation: Any, value: Any) -> str:
    """The message with which ``value`` is refused, without what it begins with."""
    with pytest.raises(InvalidPayload) as caught:
        encode(annotation, value)
    message = str(caught.value)
    assert message.startswith(f"{WHAT}: ")
    assert "\n" not in message
    assert len(message) < 450
    message.encode()
    return message.removeprefix(f"{WHAT}: ")


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def circular() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def fails(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("no\nway")


# -- values without an annotation

# Every character there is: NUL and lone surrogates too.
texts = st.text(st.characters(exclude_categories=()))
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("annotation", [Any, object])
@given(value=json_values)
def test_any_json_value_comes_back_the_same_to_the_last_type(annotation: Any, value: Any) -> None:
    text, back = encode(annotation, value)
    # repr tells 1 from True from 1.0, -0.0 from 0.0, and one order of keys from another.
    assert repr(back) == repr(value)
    assert repr(codec_for(annotation).decode(text)) == repr(value)


@given(value=json_values)
def test_text_is_canonical_json_that_every_database_takes(value: Any) -> None:
    text, _ = encode(Any, value)
    plain = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    assert text == re.sub("[\ud800-\udfff]", lambda found: json.dumps(found[0])[1:-1], plain)
    assert text.encode().decode() == text, "no lone surrogate"
    assert not re.search("[\x00-\x1f]", text), "no control character"
    assert same_json(text, json.dumps(value)), "what older versions wrote is the same value"


def test_letters_stand_as_they_are() -> None:
    assert encode(Any, {"имя": "Ж\x00\ud800é😀"})[0] == '{"имя":"Ж\\u0000\\ud800é😀"}'
    assert encode(str, "Ж\x00\ud800é😀")[0] == '"Ж\\u0000\\ud800é😀"'


@given(value=json_values.filter(lambda value: "\\ud" not in json.dumps(value)))
def test_what_pydantic_knows_as_anything_comes_back_as_it_does_without_an_annotation(value: Any) -> None:
    text, back = encode(dict[str, Any], {"it": value})
    assert repr(back) == repr({"it": value})
    assert text == encode(Any, {"it": value})[0]


def test_tuple_without_an_annotation_comes_back_as_a_list() -> None:
    assert encode(Any, {"point": (1, (2, "x"))})[1] == {"point": [1, [2, "x"]]}
    assert encode(list[Any], [(1, 2)])[1] == [[1, 2]]


@pytest.mark.parametrize(
    ("value", "back"),
    [(Level.LOW, 1), (Label.NEW, "new"), (OrderedDict(a=[Level.LOW]), {"a": [1]}), (Point(1, "x"), [1, "x"])],
)
def test_subclass_of_a_json_type_comes_back_as_that_type(value: Any, back: Any) -> None:
    assert repr(encode(Any, value)[1]) == repr(back)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (NOON.date(), "datetime.date(2026, 3, 1) (date) has no place in JSON: annotate its type"),
        ({"when": [1, NOON.date()]}, "at /when/1: datetime.date(2026, 3, 1) (date) has no place in JSON"),
        ({"a/b": {"~": {1, 2}}}, "at /a~1b/~0: {1, 2} (set) has no place in JSON"),
        ((1, b"\x00"), r"at /1: b'\x00' (bytes) has no place in JSON"),
        (Animal(name="Rex"), "Animal(name='Rex') (Animal) has no place in JSON"),
        (Color.RED, "<Color.RED: 'red'> (Color) has no place in JSON"),
        ({"prices": {1: "x"}}, "at /prices: a dict with the key 1 (int), and keys in JSON are text: annotate its type"),
        ({None: 1}, "a dict with the key None (NoneType)"),
        ({(1, 2): 1}, "a dict with the key (1, 2) (tuple)"),
        ({"1": "a", 1: "b"}, "a dict with the key 1 (int)"),
        ([float("nan")], "at /0: nan is a number that JSON does not have"),
        (float("inf"), "inf is a number that JSON does not have"),
        ({"x": -float("inf")}, "at /x: -inf is a number that JSON does not have"),
        (circular(), "at /0: a list that holds itself"),
        (nested(MAX_DEPTH + 1), "nested more than 100 levels deep"),
        (nested(100_000), "nested more than 100 levels deep"),
        (Animal, "(ModelMetaclass) is a class: pass its name"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(value: Any, message: str) -> None:
    assert message in refusal(Any, value)


def test_integer_of_thousands_of_digits_comes_back_while_python_writes_it() -> None:
    assert encode(int, -(10**4000))[1] == -(10**4000)
    assert encode(list[int], [10**4000])[1] == [10**4000]
    assert refusal(Any, 10**5000) == "an integer of too many digits to be written as text"
    assert refusal(Any, {"n": [10**5000]}) == "at /n/0: an integer of too many digits to be written as text"
    assert refusal(int, 10**5000) == "an integer of too many digits to be written as text"
    assert refusal(list[int], [10**5000]) == "at /0: an integer of too many digits to be written as text"


def test_exactly_max_depth_levels_are_allowed() -> None:
    text, back = encode(Any, nested(MAX_DEPTH))
    assert text == "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert back == nested(MAX_DEPTH)
    wide = [{"[{": [number]} for number in range(200)]
    assert encode(Any, wide)[1] == wide


def test_value_of_max_depth_is_read_deep_down_in_a_stack() -> None:
    text, _ = encode(Any, nested(MAX_DEPTH))

    def read_below(frames: int) -> Any:
        return read_below(frames - 1) if frames else codec_for(Any).decode(text)

    assert read_below(500) == nested(MAX_DEPTH)


def test_stack_that_is_used_up_is_a_refusal_and_not_a_recursion_error() -> None:
    def endless(value: Any) -> Any:
        return endless(value)

    class Endless(dict[str, int]):
        items = endless

    assert refusal(Annotated[int, AfterValidator(endless)], 5) == "nested too deeply for the stack that is left"
    assert refusal(Any, Endless(a=1)) == "nested too deeply for the stack that is left"


def test_objects_that_misbehave_are_refused_in_one_line() -> None:
    class Hostile:
        __repr__ = __str__ = __eq__ = __hash__ = fails

    assert "Hostile" in refusal(Any, Hostile())
    assert "Hostile" in refusal(Any, {"a": [Hostile()]})
    assert "Hostile" in refusal(dict[str, Any], {"a": [Hostile()]})
    assert "Hostile" in refusal(int, Hostile())

    class Closed(dict[str, int]):
        items = fails

    class Moody(str):
        __eq__ = fails
        __hash__ = str.__hash__

    assert refusal(Any, Closed(a=1)) == "RuntimeError: no way"
    assert "(Moody) would come back as 'x' (str)" in refusal(dict[str, Any], {"a": Moody("x")})
    assert "has no place in JSON" in refusal(Any, {10**5000})


def test_json_value_that_cannot_be_compared_comes_back_all_the_same() -> None:
    class Incomparable(list[int]):
        __eq__ = fails
        __hash__ = None

    assert encode(Any, Incomparable([1]))[1] == [1]
    assert encode(dict[str, Any], {"a": Incomparable([1])})[1] == {"a": [1]}


# -- values with an annotation

VALUES: list[tuple[Any, Any, str]] = [
    (int, -5, "-5"),
    (float, -0.0, "-0.0"),
    (float, 1e300, "1e+300"),
    (float, 5e-324, "5e-324"),
    (bool, True, "true"),
    (str, "\ud800 \x00 \U0001f600", r'"\ud800 \u0000 😀"'),
    (None, None, "null"),
    (int | None, None, "null"),
    (Optional[Decimal], Decimal("1.10"), '"1.10"'),  # noqa: UP045
    (Decimal, Decimal("1.10"), '"1.10"'),
    (Decimal, Decimal("-0E+5"), '"-0E+5"'),
    (datetime, datetime(2026, 1, 1), '"2026-01-01T00:00:00"'),  # noqa: DTZ001
    (date, date(1, 1, 1), '"0001-01-01"'),
    (time, time(1, 2, 3, 4), '"01:02:03.000004"'),
    (timedelta, timedelta.min, None),
    (timedelta, timedelta.max, None),
    (timedelta, timedelta(days=-1, microseconds=1), None),
    (uuid.UUID, ID, f'"{ID}"'),
    (bytes, b"\xff\x00", '"_wA="'),
    (bytes | None, b"", '""'),
    (Path, Path("a/b"), '"a/b"'),
    (Color, Color.GREEN, "2"),
    (Level, Level.LOW, "1"),
    (Label, Label.NEW, '"new"'),
    (Literal["a", 1], "a", '"a"'),
    (list[int], [1, 2], "[1,2]"),
    (set[str], {"b", "a", "c"}, '["a","b","c"]'),
    (frozenset[frozenset[str]], frozenset({frozenset("ba"), frozenset("c")}), '[["a","b"],["c"]]'),
    (dict[str, set[Color]], {"x": {Color.RED, Color.GREEN}}, '{"x":["red",2]}'),
    (tuple[int, str], (1, "a"), '[1,"a"]'),
    (tuple[Decimal, ...], (Decimal("1.10"),), '["1.10"]'),
    (dict[int, str], {2: "b", 1: "a"}, '{"2":"b","1":"a"}'),
    (dict[int, set[str]], {1: {"b", "a"}}, '{"1":["a","b"]}'),
    (dict[date, list[Point]], {date(2026, 1, 1): [Point(1, "a")]}, '{"2026-01-01":[[1,"a"]]}'),
    (Point, Point(1, "a"), '[1,"a"]'),
    (Options, {"since": date(2026, 1, 1), "tags": {"b", "a"}}, '{"since":"2026-01-01","tags":["a","b"]}'),
    (Blob, Blob(b"\xff", frozenset("z")), '{"data":"_w==","labels":["z"]}'),
    (list[Blob], [Blob(b"\xff")], '[{"data":"_w==","labels":[]}]'),
    (Box[date], Box[date](content=date(2026, 1, 1)), '{"content":"2026-01-01"}'),
    (Animal | Dog, Dog(name="Rex"), '{"name":"Rex","breed":"mixed"}'),
    (Animal | Dog, Animal(name="Tom"), '{"name":"Tom"}'),
    (Approved | Rejected, Rejected(approved=False, reason="no"), '{"approved":false,"reason":"no"}'),
    (Approved | Rejected, Approved(approved=True, choice=2), '{"approved":true,"choice":2}'),
    (Strict, Strict(at=NOON.replace(tzinfo=None), ids={ID}), f'{{"at":"2026-03-01T12:00:00.123456","ids":["{ID}"]}}'),
    (Aliased, Aliased(placeName="Rome", kindIn=1), '{"place_name":"Rome","kind":1}'),
    (int | str, "5", '"5"'),
    (int | float, 1.0, "1.0"),
    (bool | int, 1, "1"),
    (date | datetime, datetime(2026, 1, 1), '"2026-01-01T00:00:00"'),  # noqa: DTZ001
    (int | Decimal, Decimal(5), '"5"'),
    (datetime | str, "tomorrow", '"tomorrow"'),
    (Report | list[int] | None, [1], "[1]"),
    (UserId, UserId(7), "7"),
    (Even, 4, "4"),
    (NoReturn, [1], "[1]"),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), VALUES)
def test_typed_value_comes_back_as_what_it_was(annotation: Any, value: Any, expected: str | None) -> None:
    text, back = encode(annotation, value)
    assert expected in (None, text)
    for came in (back, codec_for(annotation).decode(text)):
        assert type(came) is type(value)
        assert came == value
        assert isinstance(value, (set, frozenset, dict)) or repr(came) == repr(value)
    assert codec_for(annotation).encode(back, what=WHAT, max_bytes=MIB) == text


offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
clean_texts = st.text()
typed_values = st.one_of(
    st.tuples(st.just(int), st.integers()),
    st.tuples(st.just(float), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(str), texts),
    st.tuples(st.just(Decimal), st.decimals(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(date), st.dates()),
    st.tuples(st.just(time), st.times().map(lambda value: value.replace(fold=0))),
    st.tuples(st.just(timedelta), st.timedeltas()),
    st.tuples(st.just(uuid.UUID), st.uuids()),
    st.tuples(st.just(bytes), st.binary()),
    st.tuples(st.just(list[float]), st.lists(st.floats(allow_nan=False, allow_infinity=False))),
    st.tuples(st.just(tuple[int, ...]), st.lists(st.integers()).map(tuple)),
    st.tuples(st.just(dict[str, int | None]), st.dictionaries(clean_texts, st.integers() | st.none())),
    st.tuples(st.just(dict[int, bytes]), st.dictionaries(st.integers(), st.binary())),
    st.tuples(st.just(list[int | str | bool | None]), st.lists(st.integers() | clean_texts | st.booleans())),
    st.tuples(st.just(Point), st.builds(Point, st.integers(), clean_texts)),
    st.tuples(st.just(Animal | Dog), st.builds(Animal, name=clean_texts) | st.builds(Dog, name=clean_texts)),
    st.tuples(st.just(Box[list[Color]]), st.builds(Box[list[Color]], content=st.lists(st.sampled_from(Color)))),
)


@given(typed_values)
def test_any_typed_value_comes_back_the_same(case: tuple[Any, Any]) -> None:
    annotation, value = case
    text, back = encode(annotation, value)
    assert repr(back) == repr(value)
    assert repr(codec_for(annotation).decode(text)) == repr(value)


@given(st.datetimes(timezones=st.none() | offsets | st.just(PARIS) | st.just(UTC)))
def test_instant_keeps_its_offset_even_where_clocks_change(value: datetime) -> None:
    offset = value.utcoffset()
    if offset is not None and offset % timedelta(minutes=1) and value.tzinfo is not PARIS:
        assert "its JSON does not hold all of it" in refusal(datetime, value)
        return
    _, back = encode(datetime, value)
    assert back.replace(tzinfo=None) == value.replace(tzinfo=None)
    assert back.utcoffset() == offset


@pytest.mark.parametrize("fold", [0, 1])
def test_instant_in_the_hour_that_comes_twice_is_no_loss(fold: int) -> None:
    twice = datetime(2025, 10, 26, 2, 30, fold=fold, tzinfo=PARIS)
    report = Report("x", 1.0, twice)
    assert encode(list[Report], [report])[1][0].at.utcoffset() == timedelta(hours=2 - fold)


@given(
    st.recursive(st.none(), lambda inner: st.builds(Report, clean_texts, st.floats(-1, 1), st.just(NOON), next=inner))
)
def test_dataclass_that_holds_its_own_kind_comes_back(value: Report | None) -> None:
    assert encode(Report | None, value)[1] == value


@pytest.mark.parametrize(
    ("annotation", "value", "back"),
    [
        (float, 1, 1.0),
        (float | str, 1, 1.0),
        (int, True, 1),
        (int, Level.LOW, 1),
        (str, Label.NEW, "new"),
        (Label, "new", Label.NEW),
        (Even, 5, 4),
        (Decimal, 5, Decimal(5)),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Animal, {"name": "Rex"}, Animal(name="Rex")),
        (Report, {"name": "x", "temperature": 1, "at": NOON.isoformat()}, Report("x", 1.0, NOON)),
        (Aliased, {"placeName": "Rome", "kindIn": 1}, Aliased(placeName="Rome", kindIn=1)),
        (Aliased, {"place_name": "Rome", "kind": 1}, Aliased(placeName="Rome", kindIn=1)),
        (Sequence[int], (1, 2), [1, 2]),
        (Iterable[int], (1, 2), [1, 2]),
        (Iterable, [1, "x"], [1, "x"]),
        (Collection[int], [1], [1]),
        (Iterable[int], (number for number in (1, 2)), [1, 2]),
    ],
)
def test_value_is_converted_to_its_annotation_on_the_first_run_too(annotation: Any, value: Any, back: Any) -> None:
    text, converted = encode(annotation, value)
    for came in (converted, codec_for(annotation).decode(text)):
        assert came == back
        assert type(came) is type(back)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (int, "abc", "Input should be a valid integer, unable to parse string as an integer, got 'abc' (str)"),
        (str, 5, "Input should be a valid string, got 5 (int)"),
        (None, 5, "Input should be None, got 5 (int)"),
        (list[int], [1, "x", "y", "z"], "at /1: Input should be a valid integer"),
        (list[int], [1, "x", "y", "z"], "(and 2 more)"),
        (dict[str, list[Point]], {"a": [(1,)]}, "at /a/0/"),
        (Annotated[int, Field(gt=3)], 2, "Input should be greater than 3, got 2 (int)"),
        (Report, {"name": "x"}, "at /temperature: Field required (and 1 more)"),
        (Report, Report("x", "hot", NOON), "Expected `float`, got 'hot' (str)"),
        (Report, Report("x", float("nan"), NOON), "at /temperature: nan is a number that JSON does not have"),
        (float, float("nan"), "nan is a number that JSON does not have"),
        (float | None, float("inf"), "inf is a number that JSON does not have"),
        (list[float], [1.0, float("-inf")], "at /1: -inf is a number that JSON does not have"),
        (dict[str, Any], {"a": [float("nan")]}, "at /a/0: nan is a number that JSON does not have"),
        (Decimal, Decimal("NaN"), "Input should be a finite number, got Decimal('NaN') (Decimal)"),
        (list[str], ["\ud800"], "one half of a surrogate pair, which only a plain `str` can keep"),
        (
            dict[str, Any],
            {"a": [date(2026, 1, 1)]},
            "at /a/0: datetime.date(2026, 1, 1) (date) would come back as '2026-01-01' (str): annotate",
        ),
        (dict[str, Any], {"a": b"x"}, "at /a: b'x' (bytes) would come back as 'eA==' (str): annotate its type"),
        (list[Any], [{1, 2}], "at /0: {1, 2} (set) would come back as [1, 2] (list)"),
        (dict, {"a": {1: "x"}}, "at /a: a dict with the key 1 (int)"),
        (list, circular(), "Circular reference"),
        (list, nested(MAX_DEPTH + 1), "nested more than 100 levels deep"),
        (list, nested(100_000), "depth exceeded"),
        (Report, Detailed("x", 1.0, NOON, note="n"), "annotate Detailed, or a union of the two"),
        (Animal, Dog(name="Rex"), "breed='mixed') (Dog) would come back as Animal(name='Rex') (Animal): annotate Dog"),
        (list[Animal], [Dog(name="Rex")], "at /0: Dog(name='Rex', breed='mixed') (Dog) would come back as Animal"),
        (Decimal | str, "1.5", "'1.5' (str) would come back as Decimal('1.5') (Decimal): in JSON the members of the"),
        (
            str | Decimal,
            Decimal(5),
            "members of the union look the same; tell them apart, by a Literal field for example",
        ),
        (list[Level | int], [Level.LOW], "at /0: <Level.LOW: 1> (Level) would come back as 1 (int)"),
        (set[int] | frozenset[int], frozenset({1}), "frozenset({1}) (frozenset) would come back as {1} (set)"),
        (
            Box[SecretStr],
            Box[SecretStr](content=SecretStr("x")),
            "at /content: SecretStr('**********') (SecretStr) would come back",
        ),
        (dict[tuple[int, int], str], {(1, 2): "a"}, "Input should be a valid array, got '1,2' (str)"),
        (Callable[[], Any], fails, "is a function: call it in the step function"),
    ],
)
def test_value_that_does_not_fit_its_annotation_is_refused(annotation: Any, value: Any, message: str) -> None:
    assert message.lower() in refusal(annotation, value).lower()


def test_serializer_that_raises_is_a_refusal() -> None:
    class Broken(BaseModel):
        x: int

        @field_serializer("x")
        def serialize(self, value: int) -> int:
            raise KeyError(f"no\nway {value}")

    assert "KeyError" in refusal(Broken, Broken(x=1))


def test_validator_that_raises_is_a_refusal_when_written_and_when_read() -> None:
    def never(value: Any) -> Any:
        raise LookupError("never\n" * 1000)

    annotation = Annotated[int, AfterValidator(never)]
    assert refusal(annotation, 5).startswith("LookupError: never never")
    with pytest.raises(InvalidPayload, match="LookupError"):
        codec_for(annotation).decode("5")


def test_error_that_cannot_be_read_is_named() -> None:
    class Speechless(Exception):
        __str__ = fails

    def never(value: Any) -> Any:
        raise Speechless

    assert refusal(Annotated[int, AfterValidator(never)], 5) == "Speechless: its text cannot be read"


def test_serializer_warnings_are_errors_and_never_reach_stderr() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "Expected `str`" in refusal(Report, Report(5, 1.0, NOON))


def test_private_attributes_do_not_travel() -> None:
    class Cached(BaseModel):
        x: int
        _cache: object = PrivateAttr(default_factory=object)

    assert encode(Cached, Cached(x=1))[1].x == 1


def test_fields_that_compare_by_identity_are_trusted_when_their_type_agrees() -> None:
    @dataclass(eq=False)
    class Opaque:
        x: int

    assert encode(list[Opaque], [Opaque(5)])[1][0].x == 5


def test_large_value_in_an_error_is_cut() -> None:
    assert len(refusal(int, "x" * MIB)) < 250
    assert len(refusal(dict[str, int], {"k" * MIB: "x" * MIB})) < 450


def test_order_of_a_set_does_not_depend_on_the_process() -> None:
    program = (
        "from django_workflows.core.payloads import codec_for\n"
        "words = {'set': set('abcdefgh'), 'more': [frozenset('xyz')]}\n"
        "hint = dict[str, set[str] | list[frozenset[str]]]\n"
        "print(codec_for(hint).encode(words, what='', max_bytes=1000))"
    )

    def printed(seed: str) -> bytes:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout

    assert printed("1") == printed("2") == printed("3")


# -- size


def test_text_beyond_the_limit_is_refused_with_its_size_and_a_preview() -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        encode(str, "x" * 1000, max_bytes=1001)
    message = str(caught.value)
    assert message.startswith(f'{WHAT}: 1,002 bytes of JSON, and 1,001 are allowed. It begins with "xxxx')
    assert len(message) < 350


def test_text_of_exactly_the_limit_is_taken() -> None:
    assert len(encode(str, "x" * 1000, max_bytes=1002)[0]) == 1002


@pytest.mark.parametrize("annotation", [Any, str, list[str], dict[str, Any]])
def test_limit_counts_the_bytes_of_what_is_meant(annotation: Any) -> None:
    value: Any = "\U0001f600" * 10
    if annotation == list[str]:
        value = [value]
    elif annotation == dict[str, Any]:
        value = {"x": value}
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    with pytest.raises(PayloadTooLarge, match=f"{size} bytes of JSON, and {size - 1} are allowed"):
        encode(annotation, value, max_bytes=size - 1)
    assert size_of(encode(annotation, value, max_bytes=size)[0]) == size


# -- reading


def test_stored_value_that_no_longer_fits_says_so() -> None:
    with pytest.raises(InvalidPayload, match=r"^a stored value cannot be read: at /name: Field required$"):
        codec_for(Animal).decode('{"title":"Rex"}')
    with pytest.raises(InvalidPayload, match=r"^the result of step 3 cannot be read: .* got 'x' \(str\)$"):
        codec_for(int).decode('"x"', what="the result of step 3")


@pytest.mark.parametrize("text", ["", "nope", "[1", "NaN", "Infinity", "[" * 100_000, "1 2"])
@pytest.mark.parametrize("annotation", [Any, int, list[int], Animal])
def test_text_that_is_no_json_is_refused(annotation: Any, text: str) -> None:
    with pytest.raises(InvalidPayload, match="cannot be read"):
        codec_for(annotation).decode(text)


def test_field_that_a_model_has_lost_is_ignored_and_one_it_has_gained_takes_its_default() -> None:
    assert codec_for(Dog).decode('{"name":"Rex","age":3}') == Dog(name="Rex")


# -- codecs


def test_codec_knows_the_schema_of_what_it_takes_and_of_what_it_keeps() -> None:
    assert set(codec_for(Aliased).json_schema()["properties"]) == {"placeName", "kindIn"}
    assert set(codec_for(Aliased).stored_schema()["properties"]) == {"place_name", "kind"}
    assert codec_for(Any).stored_schema() == {}
    assert codec_for(Callable[[], Any]).json_schema() == {}


def test_codec_of_an_annotation_is_made_once() -> None:
    assert codec_for(list[Report]) is codec_for(list[Report])
    assert codec_for(Any) is codec_for(object)


def test_codec_of_an_annotation_that_cannot_be_hashed_works() -> None:
    annotation = Annotated[int, ["unhashable"]]
    assert codec_for(annotation).encode_checked(5, what=WHAT, max_bytes=MIB) == ("5", 5)


def test_unions_that_differ_in_order_only_have_codecs_of_their_own() -> None:
    first, second = codec_for(Decimal | str), codec_for(str | Decimal)
    assert first.decode('"1.5"') == Decimal("1.5")
    assert second.decode('"1.5"') == "1.5"


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Generator[int, None, None], "can be read only once: annotate a list"),
        (Iterator[int], "cannot be stored as JSON"),
        (subprocess.Popen, "values of Popen cannot be stored as JSON: Unable to generate pydantic-core schema"),
        (dataclasses.make_dataclass("Lost", [("x", "Missing")]), "name 'Missing' is not defined"),
        ("Forward", "cannot be stored as JSON"),
    ],
)
def test_annotation_without_json_is_refused_in_one_line(annotation: Any, message: str) -> None:
    with pytest.raises(InvalidStep) as caught:
        codec_for(annotation)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "https" not in str(caught.value)


class Customer:
    def __init__(self, pk: int) -> None:
        self.pk = pk

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Customer) and other.pk == self.pk

    __hash__ = None


class CustomerCodec(Codec[Customer]):
    """Travels as its primary key, as a codec for Django's models would do it."""

    def to_jsonable(self, value: Customer) -> Any:
        return {"pk": value.pk}

    def from_jsonable(self, value: Any) -> Customer:
        return Customer(value["pk"])


@pytest.fixture
def customers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(payloads, "_registered", [])
    register_codec(lambda annotation: annotation is Customer, CustomerCodec)
    yield
    payloads._cached_codec.cache_clear()


@pytest.mark.usefixtures("customers")
def test_registered_codec_is_asked_first() -> None:
    assert encode(Customer, Customer(7)) == ('{"pk":7}', Customer(7))
    assert codec_for(Customer).decode('{"pk":7}') == Customer(7)
    assert codec_for(Customer).from_outside(Customer(7)) == Customer(7)
    assert codec_for(Customer).json_schema() == {}
    assert encode(date, date(2026, 1, 1))[0] == '"2026-01-01"'


@pytest.mark.usefixtures("customers")
def test_what_a_registered_codec_raises_is_a_refusal() -> None:
    assert refusal(Customer, "no customer") == "AttributeError: 'str' object has no attribute 'pk'"
    with pytest.raises(InvalidPayload, match="a stored value cannot be read: KeyError: 'pk'"):
        codec_for(Customer).decode("{}")


# -- comparing


@given(json_values, json_values)
def test_texts_are_the_same_when_their_values_are(a: Any, b: Any) -> None:
    one, other = encode(Any, a)[0], encode(Any, b)[0]
    assert same_json(one, one)
    assert same_json(one, other) == same_json(other, one)
    if repr(a) == repr(b):
        assert same_json(one, other)


@given(st.dictionaries(texts, json_values, min_size=2))
def test_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert same_json(json.dumps({"in": [value]}), json.dumps({"in": [turned]}))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1", "true"),
        ("1", "1.0"),
        ("true", "1.0"),
        ("0", "false"),
        ("0", "-0.0"),
        ("null", "false"),
        ('"1"', "1"),
        ("[1,2]", "[2,1]"),
        ('{"a":1}', '{"a":true}'),
        ('{"a":1}', '{"a":1,"b":null}'),
        ("nope", "[]"),
        ("[]", ""),
    ],
)
def test_values_of_different_types_are_never_the_same(a: str, b: str) -> None:
    assert not same_json(a, b)
    assert not same_json(b, a)


def test_spelling_of_one_value_does_not_matter() -> None:
    assert same_json('{"a": 1e3, "b": "\\u0041"}', '{"b":"A","a":1000.0}')
    assert same_json("broken", "broken")


# -- texts of errors


@given(texts, st.integers(0, 200))
def test_sanitized_text_is_storable_and_short(text: str, limit: int) -> None:
    clean = sanitize_text(text, limit)
    assert len(clean) <= limit
    assert "\x00" not in clean
    clean.encode()


def test_sanitized_text_keeps_what_can_be_stored() -> None:
    assert sanitize_text("a\x00b\ud800c \U0001f600\n", 100) == "a\ufffdb\ufffdc \U0001f600\n"


def test_long_text_loses_its_middle_and_says_how_much() -> None:
    text = "first line\n" + "x" * 10_000 + "\nlast line"
    cut = sanitize_text(text, 200)
    assert 190 < len(cut) <= 200
    assert cut.startswith("first line\nxxx")
    assert cut.endswith("xxx\nlast line")
    note = cut[cut.index(" [...") : cut.index("...] ") + 5]
    assert note == f" [... {len(text) - (len(cut) - len(note))} characters left out ...] "
