"""The codec of an annotation that pydantic knows."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Literal, NewType, TypeVar, Union, get_args, get_origin
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter

from ..exceptions import InvalidStep
from .codec import PLAIN, Codec
from .excerpts import one_line
from .misfits import find_misfit
from .plain_json import SCALARS, from_text, to_text
from .round_trip import canonical_sets, find_loss
from .unfit import REASON_LIMIT, Unfit
from .zones import Marks, give_zones, may_hold_zones, take_zones, with_zones

T = TypeVar("T")

_KNOWN = (str, int, float, bytes, Decimal, datetime, date, time, timedelta, UUID, dict, list, tuple, set)

# As a plain callable, because type checkers allow NewType nowhere but in an assignment to its own name.
_behind: Any = NewType
# UTF-8, pydantic's default, cannot carry most bytes. Models and pydantic's dataclasses keep their own setting.
_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


class TypedCodec(Codec[T]):
    """What pydantic makes of the annotation. Fields travel under their own names, whatever their aliases."""

    def __init__(self, annotation: Any) -> None:
        super().__init__(annotation)
        self.adapter: TypeAdapter[T] = _adapter_of(annotation)
        self.scalars = _scalars_of(annotation)
        self.calls_nobody = any(annotation is each for each in SCALARS)
        kinds = set(_schema_kinds(self.adapter.core_schema))
        if "generator" in kinds:
            raise InvalidStep(f"{annotation_name(annotation)} can be read only once: annotate a list")
        self._has_union = not kinds.isdisjoint({"union", "tagged-union"})
        self._has_sets = not kinds.isdisjoint({"set", "frozenset"})
        self._has_times = not kinds.isdisjoint({"datetime", "time"})

    def to_jsonable(self, value: T) -> Any:
        jsonable = self.adapter.dump_python(value, mode="json", by_alias=False, round_trip=True, warnings="error")
        if self._has_times:
            jsonable = with_zones(value, jsonable)
        return canonical_sets(value, jsonable) if self._has_sets else jsonable

    def from_jsonable(self, value: Any) -> T:
        return self.read(to_text(value))

    def convert(self, value: Any) -> T:
        # What is more than a dict would be read as one without a word.
        if isinstance(value, dict) and type(value) is not dict and (misfit := find_misfit(value)):
            raise misfit
        return self.adapter.validate_python(value, by_alias=True, by_name=True)

    def from_outside(self, value: Any) -> T:
        try:
            text, _ = PLAIN.write(value, what="", max_bytes=sys.maxsize)
        except Unfit:
            return self.convert(value)
        return self._validate(text, by_alias=True)

    def read(self, text: str) -> T:
        # In JSON mode, where a strict model takes a text for a datetime, and a union the member it was written from.
        if self.scalars and type(value := from_text(text)) in self.scalars:
            return value  # type: ignore[no-any-return]
        return self._validate(text, by_alias=False)

    def _validate(self, text: str, *, by_alias: bool) -> T:
        marks: Marks | None = None
        if self._has_times and may_hold_zones(text):
            jsonable, marks = take_zones(from_text(text))
            text = text if marks is None else to_text(jsonable)
        value = self.adapter.validate_json(text, by_alias=by_alias, by_name=True)
        return value if marks is None else give_zones(value, marks)

    def find_loss(self, sent: T, back: T) -> Unfit | None:
        return find_loss(sent, back, by_type=self._has_union)

    def json_schema(self) -> dict[str, Any]:
        return self._schema("validation")

    def stored_schema(self) -> dict[str, Any]:
        return self._schema("serialization")

    def _schema(self, mode: Literal["validation", "serialization"]) -> dict[str, Any]:
        try:
            return self.adapter.json_schema(mode=mode, by_alias=mode == "validation")
        except Exception:  # noqa: BLE001 - pydantic has no schema for some types, and users' types may fail in any way
            return {}


def annotation_name(annotation: Any) -> str:
    """An annotation as its author would write it, near enough."""
    return annotation.__qualname__ if type(annotation) is type else one_line(repr(annotation), REASON_LIMIT)


def _adapter_of(annotation: Any) -> TypeAdapter[Any]:
    try:
        # TypeAdapter takes no config for a dataclass or TypedDict itself, but hands it down to one behind a NewType.
        adapter: TypeAdapter[Any] = TypeAdapter(_behind("Value", annotation), config=_CONFIG)
        if not adapter.pydantic_complete:
            adapter.rebuild(force=True, raise_errors=True)
    except Exception as error:
        reason = one_line(str(error).partition("\n")[0].partition(". ")[0], REASON_LIMIT)
        name = annotation_name(annotation)
        raise InvalidStep(f"values of {name} cannot be stored as JSON: {reason}. {_instead(annotation)}") from error
    return adapter


def _instead(annotation: Any) -> str:
    """What to annotate in place of a type that pydantic does not know."""
    if not isinstance(annotation, type):
        return "Annotate types that pydantic knows, dataclasses for example."
    name = annotation.__name__
    if issubclass(tzinfo, annotation) or issubclass(annotation, tzinfo):
        return "Annotate zoneinfo.ZoneInfo."
    own = f"give {name} a __get_pydantic_core_schema__"
    base = next((each for each in annotation.__mro__[1:-1] if each in _KNOWN), None)
    if base is not None:
        return f"Annotate {base.__name__}, which {name} extends, or {own}."
    return f"Annotate a type that pydantic knows, a dataclass for example, or {own}."


def _scalars_of(annotation: Any) -> frozenset[type]:
    """The types of which an exact instance needs no look by pydantic, and that any such annotation consists of."""
    while isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    members = tuple(type(None) if member is None else member for member in members)
    return frozenset(members) if all(any(member is scalar for scalar in SCALARS) for member in members) else frozenset()


def _schema_kinds(core_schema: Any) -> Iterator[str]:
    """The ``type`` of every part of one of pydantic's core schemas."""
    stack, seen = [core_schema], set()
    while stack:
        node = stack.pop()
        if id(node) in seen or not isinstance(node, (dict, list, tuple)):
            continue
        seen.add(id(node))
        if isinstance(node, dict) and isinstance(node.get("type"), str):
            yield node["type"]
        stack.extend(node.values() if isinstance(node, dict) else node)
