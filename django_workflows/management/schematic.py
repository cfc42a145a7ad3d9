"""Writes JSON Schemas of arguments the way Python writes parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..core.definitions import Definition
from ..exceptions import WorkflowError
from .texts import fit, printable

_DEFAULT = 60
_DEPTH = 3


def parameters(definition: Definition[Any, Any]) -> str:
    """``city: string, days: integer = 3``; why not, where the annotations cannot be read."""
    try:
        schema = definition.signature.json_schema()
    except WorkflowError as error:
        return f"what cannot be read: {printable(str(error))}"
    required = schema.get("required", ())
    shown = [
        f"{name}: {type_words(part, schema.get('$defs', {}))}" + ("" if name in required else _default(part))
        for name, part in schema.get("properties", {}).items()
    ]
    return printable(", ".join([*shown, "..."] if schema.get("additionalProperties") else shown))


def _default(schema: Mapping[str, Any]) -> str:
    return f" = {fit(json.dumps(schema['default']), _DEFAULT)}" if "default" in schema else " = ..."


def type_words(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int = 0) -> str:
    """A type in a few words: ``array of integer or null``."""
    if depth > _DEPTH:
        return "..."
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = definitions.get(name, {})
        return _enum(target) or name
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(type_words(option, definitions, depth + 1) for option in options)
    if schema.get("type") == "array" and schema.get("items"):
        return f"array of {type_words(schema['items'], definitions, depth + 1)}"
    return _enum(schema) or str(schema.get("format") or schema.get("type") or "anything")


def _enum(schema: Mapping[str, Any]) -> str:
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    return " or ".join(json.dumps(value) for value in values)
