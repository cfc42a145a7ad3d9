"""JSON Schemas of what is measured: numbers of workflows, and how it stands with the whole."""

from __future__ import annotations

from ..core.journal import WorkflowState
from .schema_parts import BOOL, COUNT, INSTANT, SECONDS, TEXT, Refer, Schema, Shape, many, one_of, or_null, record


class CountsShape(Shape):
    name = "WorkflowCounts"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        states = record("", **{str(state): COUNT for state in WorkflowState})
        return record(total=COUNT, by_state=states, by_name={"type": "object", "additionalProperties": states})


class HealthShape(Shape):
    name = "WorkflowHealth"

    @classmethod
    def build(cls, refer: Refer) -> Schema:
        queue = record(
            queue=TEXT,
            due=COUNT,
            oldest_due=or_null(SECONDS),
            workers=COUNT,
            busy=COUNT,
            stalled=BOOL,
            growing=BOOL,
        )
        worker = record(host=TEXT, pid=COUNT, queue=TEXT, busy=BOOL, started_at=INSTANT, seen_at=INSTANT, done=COUNT)
        problem = record(
            code=TEXT, severity=one_of(["critical", "warning"]), message=TEXT, hint=TEXT, queue=or_null(TEXT)
        )
        return record(
            ok=BOOL,
            checked_at=INSTANT,
            database=record(ok=BOOL, clock_skew=or_null(SECONDS)),
            heartbeat=or_null(INSTANT, "When the latest worker was heard of."),
            oldest_due=or_null(SECONDS),
            blocked=COUNT,
            queues=many(queue),
            workers=many(worker),
            problems=many(problem),
        )
