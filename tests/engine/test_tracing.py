"""OpenTelemetry: one trace from the request that starts a workflow to each attempt of each step."""

import json
import subprocess
import sys

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from django_workflows import Completed, WorkflowContext
from django_workflows.engine import tracing
from django_workflows.models import Workflow
from tests.app import workflows as flows
from tests.engine.driver import become_another_process, finish, run

workflow = flows.workflow


@pytest.fixture(scope="module")
def exporter():
    """What the process exports; OpenTelemetry lets its provider be set once in a process."""
    exporter = InMemorySpanExporter()
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    tracing._Known.until = 0.0  # another test may have asked a moment ago
    return exporter


@pytest.fixture
def spans(exporter):
    """The spans that ended, by name; of several with one name, in their order."""
    exporter.clear()

    def named(name):
        return [span for span in exporter.get_finished_spans() if span.name == name]

    return named


def tracer():
    return trace.get_tracer("tests")


def ids(span):
    return span.context.trace_id, span.context.span_id


def test_each_attempt_is_a_span_in_the_trace_of_the_request_and_linked_to_the_start(spans):
    with tracer().start_as_current_span("request"):
        workflow_id = flows.sums.start([5, 6])
    become_another_process()
    assert finish(workflow_id) == Completed(11)

    (request,), (start,) = spans("request"), spans("start tests.app.workflows.sums")
    assert start.kind == SpanKind.PRODUCER
    assert start.parent.span_id == request.context.span_id
    assert start.attributes == {"workflow.name": "tests.app.workflows.sums", "workflow.id": str(workflow_id)}
    attempts = spans("tests.app.steps.add")
    assert [span.attributes["workflow.step.number"] for span in attempts] == [0, 1]
    for span in attempts:
        assert span.kind == SpanKind.CONSUMER
        assert (span.parent.trace_id, span.parent.span_id) == ids(start)
        assert [ids(link) for link in span.links] == [ids(start)]
        assert span.attributes["workflow.id"] == str(workflow_id)
        assert span.attributes["workflow.step.attempt"] == 1
        assert span.attributes["workflow.step.kind"] == "action"
        assert span.status.status_code == StatusCode.UNSET


def test_each_failed_attempt_is_a_span_with_its_error(spans):
    workflow_id = flows.retried.start("n", 3)
    assert finish(workflow_id) == Completed(3)
    first, second, third = spans("tests.app.steps.fail_until")
    assert [span.attributes["workflow.step.attempt"] for span in (first, second, third)] == [1, 2, 3]
    assert first.status.status_code == second.status.status_code == StatusCode.ERROR
    assert first.status.description == "call 1"
    (event,) = first.events
    assert event.attributes["exception.type"] == "tests.app.steps.Unreachable"
    assert "raise Unreachable" in event.attributes["exception.stacktrace"]
    assert third.status.status_code == StatusCode.UNSET
    assert not third.events


def test_mutations_queries_inline_steps_and_callbacks_are_spans_too(spans):
    flows.inline_mutations.start("inline", 1)
    with_callback = flows.mutations.with_options(on_complete="tests.app.callbacks.remember").start("k", 1)
    run()
    finish(with_callback)
    assert len(spans("tests.app.steps.insert_effect")) == 2
    assert len(spans("tests.app.steps.count_effects")) == 2
    (callback,) = spans("on_complete tests.app.workflows.mutations")
    assert callback.attributes["workflow.id"] == str(with_callback)


def report_context():
    """What a step's own code finds: the span it is in, and the baggage of whoever started the workflow."""
    return [f"{trace.get_current_span().get_span_context().trace_id:x}", baggage.get_baggage("tenant")]


async def report_context_async():
    return report_context()


@workflow.define(name="tests traced parent")
async def traced_parent(step: WorkflowContext) -> list:
    first = await step.run_action(report_context)
    await step.sleep(3600)
    return [first, await step.run_action(report_context_async), await step.run_workflow(traced_child)]


@workflow.define(name="tests traced child")
async def traced_child(step: WorkflowContext) -> list:
    return await step.run_mutation(report_context)


def test_the_context_is_current_in_every_step_and_reaches_children(spans):
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    try:
        with tracer().start_as_current_span("request") as request:
            workflow_id = traced_parent.start()
    finally:
        context.detach(token)
    become_another_process()
    found = [f"{request.get_span_context().trace_id:x}", "acme"]
    assert finish(workflow_id, replaying=True) == Completed([found] * 3)


def test_a_workflow_that_a_step_starts_belongs_to_its_trace(spans):
    with tracer().start_as_current_span("request") as request:
        workflow_id = starts_another.start()
    finish(workflow_id)
    (inner,) = spans("start tests.app.workflows.nothing")
    (step,) = spans("tests.engine.test_tracing.start_nothing")
    assert inner.parent.span_id == step.context.span_id
    assert inner.context.trace_id == request.get_span_context().trace_id


def start_nothing():
    flows.nothing.start()


@workflow.define(name="tests starts another")
async def starts_another(step: WorkflowContext) -> None:
    await step.run_mutation(start_nothing)


def test_a_repeated_key_gives_the_span_the_first_id(spans):
    first = flows.nothing.with_options(idempotency_key="k").start()
    assert flows.nothing.with_options(idempotency_key="k").start() == first
    starts = spans("start tests.app.workflows.nothing")
    assert {span.attributes["workflow.id"] for span in starts} == {str(first)}


@pytest.mark.parametrize("kept", ["no JSON", "[]", '{"traceparent": 7}', '{"traceparent": "00-zz"}'])
def test_a_damaged_context_is_left_out(spans, kept):
    workflow_id = flows.sums.start([5])
    Workflow.objects.filter(id=workflow_id).update(trace=kept)
    assert finish(workflow_id) == Completed(5)
    (span,) = spans("tests.app.steps.add")
    assert span.parent is None
    assert not span.links


def test_baggage_that_is_too_long_is_not_kept(spans):
    token = context.attach(baggage.set_baggage("long", "x" * 4000))
    for number in range(3):
        context.attach(baggage.set_baggage(f"long{number}", "x" * 4000))
    try:
        with tracer().start_as_current_span("request"):
            workflow_id = flows.nothing.start()
    finally:
        context.detach(token)
    kept = json.loads(Workflow.objects.get(id=workflow_id).trace)
    assert kept["traceparent"]
    assert len(json.dumps(kept)) <= 10_000


WITHOUT = """
import sys

sys.modules["opentelemetry"] = None  # as if it were not installed


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, Missing())
import importlib.util

real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "opentelemetry" else real(name, *rest)
import django

django.setup()
from django_workflows.engine import tracing

with tracing.starting("x") as start, tracing.attempting(None) as attempt, tracing.calling_back(None) as callback:
    print(repr(start.context), start.made(None), attempt.failed(None), callback.failed(None))
"""


def test_without_the_extra_nothing_happens():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "'' None None None", done.stderr


UNHEARD = """
import django

django.setup()
from opentelemetry import baggage, context

from django_workflows.engine import tracing

with tracing.starting("x") as nothing:
    pass
context.attach(baggage.set_baggage("customer", "7"))
with tracing.starting("x") as carried:
    carried.made(None)
print(repr(nothing.context), carried.context)
"""


def test_what_the_caller_carries_is_kept_though_nobody_follows_spans():
    done = subprocess.run([sys.executable, "-c", UNHEARD], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == """'' {"baggage": "customer=7"}""", done.stderr
