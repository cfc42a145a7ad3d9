"""The JSON Schema of a callable's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import TypeAdapter

from .codec import Codec
from .typed_codec import TypedCodec

_Inputs = list[tuple[str, Literal["validation", "serialization"], TypeAdapter[Any]]]


def object_schema(
    codecs: Mapping[str, Codec[Any]], *, required: list[str], defaults: Mapping[str, Any], open_ended: bool
) -> dict[str, Any]:
    """The schema of an object with a property per codec; a type without a schema of its own allows anything.

    ``open_ended``: other properties are allowed.
    """
    typed: _Inputs = [
        (name, "validation", codec.adapter)
        for name, codec in codecs.items()
        if isinstance(codec, TypedCodec) and codec.json_schema()
    ]
    # Made together, so that two classes of one name get two definitions.
    known, shared = TypeAdapter.json_schemas(typed)
    properties: dict[str, Any] = {}
    for name, codec in codecs.items():
        own = known.get((name, "validation")) or ({} if isinstance(codec, TypedCodec) else codec.json_schema())
        properties[name] = {**own, "default": defaults[name]} if name in defaults else own
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": open_ended,
        **({"$defs": shared["$defs"]} if "$defs" in shared else {}),
    }
