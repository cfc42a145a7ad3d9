"""What cannot be stored says what it is and what to write in its place; what that is can be stored."""

from __future__ import annotations

import asyncio
import enum
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.files.base import ContentFile
from django.http import HttpRequest, QueryDict
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy

from django_workflows.core.payloads import codec_for
from django_workflows.exceptions import InvalidPayload, InvalidStep


class Pair(enum.Enum):
    LEFT = ("l", 1)
    RIGHT = ("r", 2)


class Money(Decimal):
    pass


@dataclass
class Holder:
    title: str
    side: Pair | None = None


def stored(annotation: Any, value: Any) -> Any:
    return codec_for(annotation).encode_checked(value, what="x", max_bytes=10_000)[1]


LAZY = "is a lazy text, which differs by language: pass str(value)"


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (str, gettext_lazy("Yes"), LAZY),
        (Any, gettext_lazy("Yes"), LAZY),
        (str | None, gettext_lazy("Yes"), LAZY),
        (list[str], ["a", gettext_lazy("Yes")], f"at /1: .*{LAZY}".replace("(value)", r"\(value\)")),
        (dict, {"a": [gettext_lazy("Yes")]}, "at /a/0: .*is a lazy text"),
        (Holder, Holder(gettext_lazy("Yes")), "is a lazy text"),  # type: ignore[arg-type]
        (Pair, Pair.LEFT, r"\(Pair\) has a value that JSON changes \(tuple\): .*take Pair\[name\] in the step"),
        (Holder, Holder("a", Pair.LEFT), r"at /side: .*take Pair\[name\] in the step"),
        (Any, QueryDict("a=1&a=2"), r"may hold several values under one key: pass value.dict\(\)"),
        (dict, QueryDict("a=1&a=2"), "may hold several values under one key"),
        (dict[str, str], QueryDict("a=1&a=2"), "may hold several values under one key"),
        (str, SimpleLazyObject(lambda: "x"), "is a lazy object: pass what is behind it"),
        (Any, User.objects.all(), r"is a query: pass the primary keys, list\(queryset.values_list"),
        (Any, User.objects, "is a manager: use it in the step function"),
        (Any, AnonymousUser(), r"is nobody in the database: pass None, annotated User \| None"),
        (Any, ContentFile(b"x", "x"), "is a file: save it to a storage, and pass its name"),
        (Any, io.BytesIO(), "is an open file, .* pass its path"),
        (Any, HttpRequest(), "is a request: pass what the workflow needs of it"),
        (Any, (each for each in ()), r"can be read only once: pass list\(value\)"),
        (list[int], range(3).__class__, "is a class: pass its name"),
        (Any, range(3), r"is a range: pass list\(value\)"),
        (Any, stored, "is a function: call it in the step function"),
        (Any, ValueError("x"), r"is an exception: pass str\(value\)"),
        (Any, bytearray(b"x"), r"pass bytes\(value\), annotated bytes"),
        (Any, UTC, "is an offset: pass a ZoneInfo"),
        (Any, {"a": 1}.keys(), r"is a view of a dict: pass list\(value\)"),
    ],
)
def test_a_value_that_cannot_be_stored_says_what_to_pass(annotation: Any, value: Any, message: str) -> None:
    message = message if "\\" in message else message.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(InvalidPayload, match=message):
        stored(annotation, value)


def test_what_is_awaited_first() -> None:
    async def nothing() -> None: ...

    coroutine, loop = nothing(), asyncio.new_event_loop()
    with pytest.raises(InvalidPayload, match="is a coroutine that nobody awaited: await it"):
        stored(Any, [coroutine])
    coroutine.close()
    with pytest.raises(InvalidPayload, match="is the future of something that has not ended: await it"):
        stored(int, loop.create_future())
    loop.close()


def test_what_the_advice_says_can_be_stored() -> None:
    query = QueryDict("a=1&a=2")
    assert stored(Any, str(gettext_lazy("Yes"))) == "Yes"
    assert Pair[stored(str, Pair.LEFT.name)] is Pair.LEFT
    assert stored(Any, query.dict()) == {"a": "2"}
    assert stored(dict[str, list[str]], dict(query.lists())) == {"a": ["1", "2"]}
    assert stored(bytes, bytes(bytearray(b"\xff"))) == b"\xff"
    assert stored(ZoneInfo, ZoneInfo("Europe/Berlin")) == ZoneInfo("Europe/Berlin")
    assert stored(datetime, datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))).utcoffset() == timedelta(hours=1)
    assert stored(Any, list(range(3))) == [0, 1, 2]
    assert stored(Decimal, Money("1.50")) == Decimal("1.50")
    assert stored(str, mark_safe("<b>")) == "<b>"


def test_what_is_wrong_elsewhere_is_told_and_not_the_advice() -> None:
    with pytest.raises(InvalidPayload, match="at /a: Input should be a valid integer"):
        stored(dict[str, int], {"a": "x", "b": Pair.LEFT})


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Money, "Annotate Decimal, which Money extends, or give Money a __get_pydantic_core_schema__"),
        (SafeString, "Annotate str, which SafeString extends"),
        (tzinfo, "Annotate zoneinfo.ZoneInfo"),
        (timezone, "Annotate zoneinfo.ZoneInfo"),
        (list[Money], "Annotate types that pydantic knows, dataclasses for example"),
        (io.StringIO, "Annotate a type that pydantic knows, a dataclass for example"),
    ],
)
def test_a_type_that_cannot_be_stored_says_what_to_annotate(annotation: Any, message: str) -> None:
    with pytest.raises(InvalidStep, match=message):
        codec_for(annotation)
