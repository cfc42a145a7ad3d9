"""JSON Schemas of what clients send: a union over the definitions, and over the events, that there are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .definitions import arguments_schema, awaited_events, exposed
from .schema_parts import Refer, Schema, Shape

Register = Callable[[str, Schema], Schema]

_KEY = {"type": ["string", "null"], "minLength": 1, "maxLength": 200, "description": "Or as `Idempotency-Key`."}
_RUN_AT = {"type": ["string", "null"], "format": "date-time", "description": "When it begins."}
_CONTEXT = {"description": "Any value; kept with the workflow."}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 10_000, "description": "Raised where the workflow waits."}
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_EVENT_ID = {"type": "string", "format": "uuid", "description": "Of an event that was made ahead."}


class StartShape(Shape):
    """Discriminated by ``name``."""

    name = "WorkflowStart"

    @classmethod
    def unions(cls, register: Register) -> Schema:
        found = {
            definition.name: register(f"WorkflowStart.{definition.name}", _start(definition, register))
            for definition in exposed()
        }
        if not found:
            return {"type": "object", "required": ["name"], "properties": {"name": _NAME}}
        mapping = {name: ref["$ref"] for name, ref in found.items()}
        return {"oneOf": list(found.values()), "discriminator": {"propertyName": "name", "mapping": mapping}}


class SendShape(Shape):
    """By name where the type is known, by another name, or by an id."""

    name = "WorkflowSend"

    @classmethod
    def unions(cls, register: Register) -> Schema:
        typed: dict[str, list[Schema]] = {}
        for definition in exposed():
            for event in awaited_events(definition):
                schema = event.codec.json_schema()
                if schema and schema not in typed.setdefault(event.name, []):
                    typed[event.name].append(schema)
        known = [
            register(f"WorkflowSend.{name}", _send(name, schemas, register)) for name, schemas in sorted(typed.items())
        ]
        other = {**_NAME, "not": {"enum": sorted(typed)}} if typed else _NAME
        return {
            "anyOf": [
                *known,
                _closed({"name": other, "value": {}, "idempotency_key": _KEY}, ["name"]),
                _closed({"name": _NAME, "error": _TEXT, "idempotency_key": _KEY}, ["name", "error"]),
                _closed({"event_id": _EVENT_ID, "value": {}, "idempotency_key": _KEY}, ["event_id"]),
                _closed({"event_id": _EVENT_ID, "error": _TEXT, "idempotency_key": _KEY}, ["event_id", "error"]),
            ]
        }


class TokenEventShape(Shape):
    name = "WorkflowTokenEvent"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return {"oneOf": [_closed({"value": {}}, []), _closed({"error": _TEXT}, ["error"])]}


class SentShape(Shape):
    name = "WorkflowSentEvent"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _closed({"id": {"type": "string", "format": "uuid"}}, ["id"])


class CancelShape(Shape):
    name = "WorkflowCancel"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        force = {"type": "boolean", "default": False, "description": "Do not run the handler's clean-up."}
        return _closed({"force": force}, [])


class RestartShape(Shape):
    name = "WorkflowRestart"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        number = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "description": "The number of a step."}
        name = {"type": "string", "minLength": 1, "maxLength": 500, "description": "The last step of this name."}
        keep = {"type": "boolean", "default": False, "description": "Keep the whole journal, failures included."}
        step = {
            "anyOf": [number, name, {"type": "null"}],
            "description": "If it is not given, the failures that ended it run again.",
        }
        return _closed({"from_step": step, "keep": keep}, [])


class RetryShape(Shape):
    name = "WorkflowRetry"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _closed({}, [])


def _start(definition: Any, register: Register) -> Schema:
    arguments = _hoisted(arguments_schema(definition), definition.name, register)
    properties = {
        "name": {"type": "string", "const": definition.name},
        "args": arguments,
        "context": _CONTEXT,
        "idempotency_key": _KEY,
        "run_at": _RUN_AT,
    }
    return _closed(properties, ["name", "args"] if arguments.get("required") else ["name"])


def _send(name: str, schemas: list[Schema], register: Register) -> Schema:
    values = [_hoisted(schema, f"{name}.value", register) for schema in schemas]
    value = values[0] if len(values) == 1 else {"anyOf": values}
    properties = {"name": {"type": "string", "const": name}, "value": value, "idempotency_key": _KEY}
    return _closed(properties, ["name", "value"])


def _closed(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _hoisted(schema: Schema, owner: str, register: Register) -> Schema:
    """``schema`` with its ``$defs`` as components of the document, where its references can find them."""
    definitions = schema.get("$defs", {})
    names = {f"#/$defs/{name}": f"{owner}.{name}" for name in definitions}
    for name, inner in definitions.items():
        register(f"{owner}.{name}", _referring(inner, names))
    found: Schema = _referring({key: value for key, value in schema.items() if key != "$defs"}, names)
    return found


def _referring(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _referring(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_referring(item, names) for item in value]
    if isinstance(value, str) and value in names:
        return f"#/components/schemas/{component_name(names[value])}"
    return value


def component_name(name: str) -> str:
    """``name`` with nothing in it that a component's may not have."""
    return re.sub(r"[^a-zA-Z0-9._-]", "_", name)
