"""What the shapes of answers are made of: JSON Schemas of small things, and words with a meaning of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rest_framework import serializers

from ..core.attempts import AttemptState
from ..core.blocked import BlockedReason
from ..core.journal import StepKind, StepState, WorkflowState
from ..core.waiting import WaitKind
from ..models import Event

Schema = dict[str, Any]
Refer = Callable[[type["Shape"]], Schema]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
BOOL: Schema = {"type": "boolean"}
IDENTITY: Schema = {"type": "string", "format": "uuid"}
INSTANT: Schema = {"type": "string", "format": "date-time"}
SECONDS: Schema = {"type": "number", "description": "Seconds."}
JSON_SCHEMA: Schema = {"type": "object", "description": "A JSON Schema."}
HIDDEN = "null for those who may not see payloads."


def or_null(schema: Schema, description: str = "") -> Schema:
    found = (
        {"anyOf": [schema, {"type": "null"}]} if "type" not in schema else {**schema, "type": [schema["type"], "null"]}
    )
    return {**found, "description": description} if description else found


def one_of(words: Any) -> Schema:
    return {"type": "string", "enum": [str(word) for word in words]}


def record(description: str = "", **properties: Schema) -> Schema:
    """An object that has all of these, and nothing else."""
    found = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {**found, "description": description} if description else found


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


class Shape(serializers.Serializer[Any]):
    """A component that has its schema from ``build``, which refers to others by ``refer``."""

    name: ClassVar[str] = ""

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        raise NotImplementedError


class WorkflowStateShape(Shape):
    name = "WorkflowState"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return one_of(WorkflowState)


class StepStateShape(Shape):
    name = "WorkflowStepState"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return one_of(StepState)


class StepKindShape(Shape):
    name = "WorkflowStepKind"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return one_of(StepKind)


class AttemptStateShape(Shape):
    name = "WorkflowAttemptState"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return one_of(AttemptState)


class BlockedReasonShape(Shape):
    name = "WorkflowBlockedReason"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return one_of(BlockedReason)


class EventStateShape(Shape):
    name = "WorkflowEventState"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return one_of(Event.State.values)


class WaitKindShape(Shape):
    name = "WorkflowWaitKind"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return one_of(WaitKind)
