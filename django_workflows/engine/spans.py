"""The spans themselves. Imports OpenTelemetry's API, without which ``tracing`` leaves this module alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from ..core.journal import ClaimedStep, Failure, WorkflowRecord

#: Characters of trace context that a row keeps: what W3C allows for baggage, and a little for the rest.
_LONGEST = 10_000


class StartSpan:
    """The span of a start."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        text = json.dumps(carrier) if carrier else ""
        self.context = text if len(text) <= _LONGEST else json.dumps({"traceparent": carrier.get("traceparent", "")})

    def made(self, workflow_id: UUID) -> None:
        self._span.set_attribute("workflow.id", str(workflow_id))


class RunSpan:
    """The span of something that a worker runs."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def failed(self, failure: Failure) -> None:
        kept = {
            "exception.type": failure.type,
            "exception.message": failure.message,
            "exception.stacktrace": failure.traceback,
        }
        self._span.add_event("exception", kept)
        self._span.set_status(Status(StatusCode.ERROR, failure.message))


def _tracer() -> trace.Tracer:
    # Asked each time: the project sets its provider up when it pleases.
    return trace.get_tracer("django_workflows")


@contextmanager
def starting(name: str) -> Iterator[StartSpan]:
    about = {"workflow.name": name}
    with _tracer().start_as_current_span(f"start {name}", kind=SpanKind.PRODUCER, attributes=about) as span:
        yield StartSpan(span)


@contextmanager
def attempting(step: ClaimedStep) -> Iterator[RunSpan]:
    about: dict[str, str | int] = {
        "workflow.id": str(step.workflow_id),
        "workflow.name": step.workflow_name,
        "workflow.step.number": step.number,
        "workflow.step.name": step.name,
        "workflow.step.kind": str(step.kind),
        "workflow.step.attempt": step.attempt,
    }
    with _within(step.trace, step.name, about) as span:
        yield span


@contextmanager
def calling_back(workflow: WorkflowRecord) -> Iterator[RunSpan]:
    about = {"workflow.id": str(workflow.id), "workflow.name": workflow.name}
    with _within(workflow.trace, f"on_complete {workflow.name}", about) as span:
        yield span


@contextmanager
def _within(carried: str, name: str, about: Mapping[str, str | int]) -> Iterator[RunSpan]:
    """A span below, and linked to, the one whose context is ``carried``; with it come trace state and baggage."""
    origin = propagate.extract(_carrier(carried), context=context.Context())
    start = trace.get_current_span(origin).get_span_context()
    links = [Link(start)] if start.is_valid else []
    token = context.attach(origin)
    try:
        with _tracer().start_as_current_span(name, kind=SpanKind.CONSUMER, attributes=about, links=links) as span:
            yield RunSpan(span)
    finally:
        context.detach(token)


def _carrier(carried: str) -> dict[str, str]:
    try:
        found = json.loads(carried) if carried else {}
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
