"""JSON Schemas (2020-12) of what clients get, as components of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rest_framework import serializers

from ..core.attempts import AttemptState
from ..core.journal import StepKind, StepState, WorkflowState
from ..core.waiting import WaitKind
from ..models import Event

Schema = dict[str, Any]
Refer = Callable[[type["Shape"]], Schema]

_ANY: Schema = {}
_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_BOOL: Schema = {"type": "boolean"}
_ID: Schema = {"type": "string", "format": "uuid"}
_INSTANT: Schema = {"type": "string", "format": "date-time"}
_SECONDS: Schema = {"type": "number", "description": "Seconds."}
_SCHEMA: Schema = {"type": "object", "description": "A JSON Schema."}
_HIDDEN = "null for those who may not see payloads."


def _or_null(schema: Schema, description: str = "") -> Schema:
    found = (
        {"anyOf": [schema, {"type": "null"}]} if "type" not in schema else {**schema, "type": [schema["type"], "null"]}
    )
    return {**found, "description": description} if description else found


def _one_of(words: Any) -> Schema:
    return {"type": "string", "enum": [str(word) for word in words]}


def _object(description: str = "", **properties: Schema) -> Schema:
    """An object that has all of these, and nothing else."""
    found = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {**found, "description": description} if description else found


def _many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


class Shape(serializers.Serializer[Any]):
    """A component that has its schema from ``build``, which refers to others by ``refer``."""

    name: ClassVar[str] = ""

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        raise NotImplementedError


class ErrorShape(Shape):
    name = "WorkflowError"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _object(type=_TEXT, message=_or_null(_TEXT, _HIDDEN))


class ProgressShape(Shape):
    name = "WorkflowProgress"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _object(done={"type": "number"}, total=_or_null({"type": "number"}), message=_TEXT)


class StatusShape(Shape):
    name = "WorkflowStatus"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        def shape(kind: str, **more: Schema) -> Schema:
            return _object("", type={"type": "string", "const": kind}, **more)

        running = {**_many(_TEXT), "description": "The names of the open steps, in order."}
        failed = shape("failed", error=_or_null(_TEXT, _HIDDEN), error_type=_TEXT)
        return {
            "oneOf": [
                shape("in_progress", running=running),
                shape("completed", result={"description": _HIDDEN}),
                failed,
                shape("canceled"),
            ]
        }


class WaitShape(Shape):
    name = "WorkflowWait"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _object(
            kind=_one_of(WaitKind),
            step=_or_null(_COUNT, "The number of the first step that waits for this; null if it is no step."),
            name={**_TEXT, "description": "The step's name, or the text of a problem."},
            count={**_COUNT, "description": "How many steps wait alike."},
            until=_or_null(_INSTANT),
            attempt=_or_null(_COUNT),
            max_attempts=_COUNT,
            queue=_TEXT,
        )


def _row(refer: Refer) -> dict[str, Schema]:
    return {
        "id": _ID,
        "name": _TEXT,
        "state": _one_of(WorkflowState),
        "version": {**_COUNT, "description": "Counts changes."},
        "generation": {**_COUNT, "description": "Counts restarts, from 1."},
        "created_at": _INSTANT,
        "started_at": _or_null(_INSTANT),
        "finished_at": _or_null(_INSTANT),
        "due_at": _or_null(_INSTANT, "When a worker looks at it next; null if it waits for something outside."),
        "cancel_requested_at": _or_null(_INSTANT),
        "problem": _or_null(_TEXT, "Why it cannot go on by itself."),
        "parent": _or_null(_ID),
        "parent_step": _or_null(_COUNT),
        "idempotency_key": _or_null(_TEXT),
        "error": _or_null(refer(ErrorShape)),
        "links": {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}},
    }


class RowShape(Shape):
    name = "WorkflowRow"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _object("A workflow as the list has it.", **_row(refer))


class WorkflowShape(Shape):
    name = "Workflow"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _object(
            "A workflow with all but its journal.",
            **_row(refer),
            status=refer(StatusShape),
            progress={"type": "object", "additionalProperties": refer(ProgressShape)},
            waiting_for=_many(refer(WaitShape)),
            args={"description": f"The arguments by name. {_HIDDEN}"},
            context={"description": f"What was given with them. {_HIDDEN}"},
            result={"description": _HIDDEN},
            on_complete_error=_or_null(refer(ErrorShape)),
        )


class AttemptShape(Shape):
    name = "WorkflowAttempt"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _object(
            attempt=_COUNT,
            state=_one_of(AttemptState),
            queued_at=_INSTANT,
            started_at=_or_null(_INSTANT),
            finished_at=_or_null(_INSTANT),
            error=_or_null(refer(ErrorShape)),
        )


class StepShape(Shape):
    name = "WorkflowStep"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _object(
            "One entry of a journal.",
            number=_COUNT,
            kind=_one_of(StepKind),
            name=_TEXT,
            function=_TEXT,
            state=_one_of(StepState),
            created_at=_INSTANT,
            started_at=_or_null(_INSTANT),
            finished_at=_or_null(_INSTANT),
            due_at=_or_null(_INSTANT),
            attempts=_many(refer(AttemptShape)),
            max_attempts=_COUNT,
            progress=_or_null(refer(ProgressShape)),
            child=_or_null(_ID, "The workflow that it runs."),
            args={"description": _HIDDEN},
            result={"description": _HIDDEN},
            error=_or_null(refer(ErrorShape)),
        )


class EventShape(Shape):
    name = "WorkflowEvent"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _object(
            "A message to a workflow.",
            id=_ID,
            name=_TEXT,
            state=_one_of(Event.State.values),
            step=_or_null(_COUNT, "The step that took it."),
            created_at=_INSTANT,
            sent_at=_or_null(_INSTANT),
            value={"description": _HIDDEN},
            error=_or_null(refer(ErrorShape)),
        )


class DefinitionShape(Shape):
    name = "WorkflowDefinition"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return _object(
            "What can be started.",
            name=_TEXT,
            doc=_TEXT,
            arguments=_SCHEMA,
            result=_SCHEMA,
            events=_many(_object(name=_TEXT, schema=_SCHEMA)),
            links={"type": "object", "additionalProperties": {"type": "string", "format": "uri"}},
        )


class CountsShape(Shape):
    name = "WorkflowCounts"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        states = _object("", **{str(state): _COUNT for state in WorkflowState})
        return _object(total=_COUNT, by_state=states, by_name={"type": "object", "additionalProperties": states})


class HealthShape(Shape):
    name = "WorkflowHealth"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        queue = _object(
            queue=_TEXT,
            due=_COUNT,
            oldest_due=_or_null(_SECONDS),
            workers=_COUNT,
            busy=_COUNT,
            stalled=_BOOL,
            growing=_BOOL,
        )
        worker = _object(
            host=_TEXT, pid=_COUNT, queue=_TEXT, busy=_BOOL, started_at=_INSTANT, seen_at=_INSTANT, done=_COUNT
        )
        problem = _object(
            code=_TEXT, severity=_one_of(["critical", "warning"]), message=_TEXT, hint=_TEXT, queue=_or_null(_TEXT)
        )
        return _object(
            ok=_BOOL,
            checked_at=_INSTANT,
            database=_object(ok=_BOOL, clock_skew=_or_null(_SECONDS)),
            heartbeat=_or_null(_INSTANT, "When the latest worker was heard of."),
            oldest_due=_or_null(_SECONDS),
            parked=_COUNT,
            queues=_many(queue),
            workers=_many(worker),
            problems=_many(problem),
        )


class ProblemShape(Shape):
    name = "WorkflowProblem"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        error = {
            "type": "object",
            "properties": {
                "pointer": {**_TEXT, "description": "A JSON pointer into the body, as a fragment."},
                "parameter": {**_TEXT, "description": "A parameter of the query."},
                "header": _TEXT,
                "detail": _TEXT,
                "code": _TEXT,
            },
            "required": ["detail", "code"],
        }
        found = _object(
            "An error, as RFC 9457 has it.",
            type=_TEXT,
            title=_TEXT,
            status={"type": "integer", "minimum": 400, "maximum": 599},
            detail=_TEXT,
            code={**_TEXT, "description": "A word to decide by: the name of the exception, or REST framework's code."},
        )
        found["properties"]["errors"] = _many(error)
        return found
