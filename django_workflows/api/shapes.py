"""JSON Schemas (2020-12) of what clients get, as components of the OpenAPI document."""

from __future__ import annotations

from .schema_parts import (
    COUNT,
    HIDDEN,
    IDENTITY,
    INSTANT,
    JSON_SCHEMA,
    TEXT,
    AttemptStateShape,
    BlockedReasonShape,
    EventStateShape,
    Refer,
    Schema,
    Shape,
    StepKindShape,
    StepStateShape,
    WaitKindShape,
    WorkflowStateShape,
    many,
    or_null,
    record,
)


class ErrorShape(Shape):
    name = "WorkflowError"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record(type=TEXT, message=or_null(TEXT, HIDDEN))


class ProgressShape(Shape):
    name = "WorkflowProgress"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record(done={"type": "number"}, total=or_null({"type": "number"}), message=TEXT)


class StatusShape(Shape):
    name = "WorkflowStatus"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        def shape(kind: str, **more: Schema) -> Schema:
            return record("", type={"type": "string", "const": kind}, **more)

        running = {**many(TEXT), "description": "The names of the open steps, in order."}
        failed = shape("failed", error=or_null(TEXT, HIDDEN), error_type=TEXT)
        return {
            "oneOf": [
                shape("in_progress", running=running),
                shape("completed", result={"description": HIDDEN}),
                failed,
                shape("canceled"),
            ]
        }


class BlockedShape(Shape):
    name = "WorkflowBlocked"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record(
            "Why a workflow in progress is blocked.",
            reason=refer(BlockedReasonShape),
            message=or_null(TEXT, HIDDEN),
            since=or_null(INSTANT, "When it was first blocked for this reason."),
            checked_at=or_null(INSTANT, "When a worker last found it to be blocked."),
        )


class WaitShape(Shape):
    name = "WorkflowWait"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record(
            kind=refer(WaitKindShape),
            step=or_null(COUNT, "The number of the first step that waits for this; null if it is no step."),
            name={
                **TEXT,
                "description": "The step's name; of what is blocked the message, or the reason where that is hidden.",
            },
            count={**COUNT, "description": "How many steps wait alike."},
            until=or_null(INSTANT),
            attempt=or_null(COUNT),
            max_attempts=COUNT,
            queue=TEXT,
        )


def _row(refer: Refer) -> dict[str, Schema]:
    return {
        "id": IDENTITY,
        "name": TEXT,
        "state": refer(WorkflowStateShape),
        "version": {**COUNT, "description": "Counts changes."},
        "generation": {**COUNT, "description": "Counts restarts, from 1."},
        "created_at": INSTANT,
        "scheduled_for": or_null(INSTANT, "The time of the schedule that started it; null where none did."),
        "started_at": or_null(INSTANT),
        "finished_at": or_null(INSTANT),
        "due_at": or_null(INSTANT, "When a worker looks at it next; null if it waits for something outside."),
        "cancel_requested_at": or_null(INSTANT),
        "blocked": or_null(refer(BlockedShape)),
        "parent": or_null(IDENTITY),
        "parent_step": or_null(COUNT),
        "idempotency_key": or_null(TEXT),
        "error": or_null(refer(ErrorShape)),
        "links": {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}},
    }


class RowShape(Shape):
    name = "WorkflowRow"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record("A workflow as the list has it.", **_row(refer))


class WorkflowShape(Shape):
    name = "Workflow"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record(
            "A workflow with all but its journal.",
            **_row(refer),
            status=refer(StatusShape),
            progress={"type": "object", "additionalProperties": refer(ProgressShape)},
            waiting_for=many(refer(WaitShape)),
            args={"description": f"The arguments by name. {HIDDEN}"},
            context={"description": f"What was given with them. {HIDDEN}"},
            result={"description": HIDDEN},
            untaken_events={
                "type": "object",
                "additionalProperties": COUNT,
                "description": "How many events of each name were sent to it and never taken, once it has ended.",
            },
            never_awaited={
                **many(record(number=COUNT, name=TEXT)),
                "description": "Steps that its function asked for and never awaited.",
            },
            still_running={
                **many(record(number=COUNT, name=TEXT)),
                "description": "Steps that were canceled, and whose functions, which nothing interrupts, run on.",
            },
            on_complete_error=or_null(refer(ErrorShape)),
        )


class AttemptShape(Shape):
    name = "WorkflowAttempt"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record(
            attempt=COUNT,
            state=refer(AttemptStateShape),
            queued_at=INSTANT,
            started_at=or_null(INSTANT),
            finished_at=or_null(INSTANT),
            error=or_null(refer(ErrorShape)),
        )


class StepShape(Shape):
    name = "WorkflowStep"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record(
            "One entry of a journal.",
            number=COUNT,
            kind=refer(StepKindShape),
            name=TEXT,
            function=TEXT,
            state=refer(StepStateShape),
            created_at=INSTANT,
            started_at=or_null(INSTANT),
            finished_at=or_null(INSTANT),
            due_at=or_null(INSTANT),
            attempts=many(refer(AttemptShape)),
            max_attempts=COUNT,
            progress=or_null(refer(ProgressShape)),
            child=or_null(IDENTITY, "The workflow that it runs."),
            args={"description": HIDDEN},
            result={"description": HIDDEN},
            error=or_null(refer(ErrorShape)),
        )


class EventShape(Shape):
    name = "WorkflowEvent"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record(
            "A message to a workflow.",
            id=IDENTITY,
            name=TEXT,
            state=refer(EventStateShape),
            step=or_null(COUNT, "The step that took it."),
            created_at=INSTANT,
            sent_at=or_null(INSTANT),
            value={"description": HIDDEN},
            error=or_null(refer(ErrorShape)),
        )


class DefinitionShape(Shape):
    name = "WorkflowDefinition"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        return record(
            "What can be started.",
            name=TEXT,
            doc=TEXT,
            arguments=JSON_SCHEMA,
            result=JSON_SCHEMA,
            events=many(record(name=TEXT, schema=JSON_SCHEMA)),
            links={"type": "object", "additionalProperties": {"type": "string", "format": "uri"}},
        )


class ProblemShape(Shape):
    name = "WorkflowProblem"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        error = {
            "type": "object",
            "properties": {
                "pointer": {**TEXT, "description": "A JSON pointer into the body, as a fragment."},
                "parameter": {**TEXT, "description": "A parameter of the query."},
                "header": TEXT,
                "detail": TEXT,
                "code": TEXT,
            },
            "required": ["detail", "code"],
        }
        found = record(
            "An error, as RFC 9457 has it.",
            type=TEXT,
            title=TEXT,
            status={"type": "integer", "minimum": 400, "maximum": 599},
            detail=TEXT,
            code={**TEXT, "description": "A word to decide by: the name of the exception, or REST framework's code."},
        )
        found["properties"]["errors"] = many(error)
        return found
