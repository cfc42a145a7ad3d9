"""What anybody hands in comes back as it was, or is refused by an error of ours; no worker falls, nothing sticks."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_workflows import (
    Completed,
    InvalidArguments,
    InvalidPayload,
    PayloadTooLarge,
    WorkflowContext,
    WorkflowError,
    WorkflowManager,
)
from django_workflows.models import Workflow
from tests.app import steps
from tests.battery.observation import start_over
from tests.engine.driver import become_another_process, finish, run
from tests.engine.replays import assert_all_replay
from tests.races.flows import told

workflow = WorkflowManager()
#: ``DJANGO_WORKFLOWS_TEST_FUZZ=20`` tries twenty times as many.
TIMES = int(os.environ.get("DJANGO_WORKFLOWS_TEST_FUZZ", "1"))
fuzzing = settings(
    max_examples=60 * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
handed: dict[str, Any] = {}


def hand_out(key: str) -> Any:
    """A step whose result is no matter of its arguments."""
    return handed[key]


@workflow.define
async def passes_on(step: WorkflowContext, value):
    back = await step.run_action(steps.echo, value)
    assert (back, type(back)) == (value, type(value))
    inline = await step.with_options(inline=True).run_mutation(steps.echo, back)
    return await step.run_query(steps.echo, inline)


@workflow.define
async def takes(step: WorkflowContext, key: str):
    return await step.run_action(hand_out, key)


@workflow.define
async def hears(step: WorkflowContext, name: str):
    return await step.await_event(name)


def deep(levels: int, leaf: Any = 1) -> Any:
    for _ in range(levels):
        leaf = [leaf]
    return leaf


MIB = 1024 * 1024
POISON: list[Any] = [
    "\x00",
    "\ud800",
    "a\udfffb",
    "\U0010ffff",
    {"\x00": "\x00"},
    {"\ud800": 1},
    float("nan"),
    float("inf"),
    -float("inf"),
    1e308 * 10,
    -0.0,
    5e-324,
    1e20,
    0.1 + 0.2,
    2**64,
    -(2**63) - 1,
    10**4000,
    10**5000,
    deep(90),
    deep(100),
    deep(101),
    deep(1500),
    deep(100_000),
    "x" * (MIB - 1000),
    "x" * (MIB + 1),
    "\u00e9" * (MIB // 6 + 1),
    [0] * 300_000,
    {str(number): number for number in range(20_000)},
    {1: "a number as a key"},
    {"": ""},
    {None: 1},
    (1, 2),
    {1, 2},
    b"bytes",
    object(),
    lambda: 1,
    Exception("x"),
    "'; DROP TABLE django_workflows_workflow; --",
    "\u202e\u2028\u2029\x1b[2J\r\n",
    "__import__('os').system('true')",
    {"__class__": "os.system", "py/reduce": ["os.system", "true"]},
    True,
    None,
    [],
    {},
]
SMALL = [each for each in POISON if isinstance(each, (str, float, bool, type(None))) and len(str(each)) < 100]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(
        [each for each in POISON if isinstance(each, (str, float, bool, type(None))) and len(str(each)) < 100]
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
    max_leaves=15,
)
ANY_TEXT = st.characters(exclude_categories=())
texts = st.text(ANY_TEXT, max_size=300) | st.sampled_from(["", " ", "x" * 201, "\x00", "a\nb"])
tally: Counter[str] = Counter()


def exactly(value: Any) -> str:
    """A value with its types, for comparison: ``1``, ``1.0`` and ``True`` are three, and ``-0.0`` is not ``0.0``."""
    return json.dumps(value, sort_keys=False)


def goes_through(value: Any) -> str:
    """Hand a value in as an argument: what became of it."""
    try:
        workflow_id = passes_on.start(value)
    except (InvalidArguments, InvalidPayload):
        return "refused"
    become_another_process()
    status = finish(workflow_id)
    assert isinstance(status, Completed), status
    assert exactly(status.result) == exactly(value)
    return "passed"


def finished() -> None:
    assert not Workflow.objects.filter(state="in_progress").exists(), "nothing sticks"
    assert_all_replay()
    start_over()


@pytest.mark.parametrize("number", range(len(POISON)))
def test_poison_as_argument_result_event_and_context(number: int, record_property: Callable[..., None]) -> None:
    value = POISON[number]
    tally.clear()
    tally[f"as an argument: {goes_through(value)}"] += 1
    handed["poison"] = value
    status = finish(takes.start("poison"))
    assert status.type == "failed" or exactly(status.result) == exactly(value)  # type: ignore[union-attr]
    tally[f"as a result: {status.type}"] += 1
    sent_to(value)
    with_context(value)
    finished()
    for outcome in tally:
        record_property("poison", outcome)


def sent_to(value: Any) -> None:
    workflow_id = hears.start("poison")
    run()
    try:
        workflow.send_event(workflow_id, "poison", value)
    except (InvalidArguments, PayloadTooLarge):
        workflow.cancel(workflow_id)
        tally["as an event: refused"] += 1
        return
    status = finish(workflow_id)
    assert exactly(status.result) == exactly(value)  # type: ignore[union-attr]
    tally["as an event: passed"] += 1


def with_context(value: Any) -> None:
    try:
        workflow_id = told.with_options(context=value).start([])
    except WorkflowError:
        tally["as a context: refused"] += 1
        return
    assert finish(workflow_id) == Completed([])
    tally["as a context: passed"] += 1


@fuzzing
@given(values)
def test_values_come_back_as_they_were_or_are_refused(value: Any) -> None:
    goes_through(value)
    sent_to(value)
    finished()


@fuzzing
@given(texts, st.sampled_from(["idempotency_key", "key", "queue", "on_complete", "event", "token", "name"]))
def test_names_are_taken_or_refused(text: str, where: str) -> None:
    workflow_id = hears.start("x")
    run()
    try:
        if where == "event":
            workflow.send_event(workflow_id, text, 1)
            workflow.create_event(workflow_id, text)
        elif where == "token":
            workflow.send_event_by_token(text, 1)
        elif where == "name":
            workflow.start(text, {})
        else:
            told.with_options(**{where: text}).start([])
    except WorkflowError:
        pass
    workflow.cancel(workflow_id)
    run(queue=text) if where == "queue" and "\x00" not in text and text.isprintable() else run()
    finished()


@fuzzing
@given(values, st.sampled_from(["run_at", "run_after", "retain_for", "priority", "start_async", "if_running", "key"]))
def test_options_are_taken_or_refused(value: Any, option: str) -> None:
    try:
        workflow_id = told.with_options(**{option: value}).start([])
    except WorkflowError:
        finished()
        return
    if workflow.status(workflow_id).type == "in_progress":
        workflow.cancel(workflow_id)
    finished()


@fuzzing
@given(values | texts | st.binary(max_size=20))
def test_ids_are_found_or_not(value: Any) -> None:
    for act in (workflow.status, workflow.cancel, workflow.restart, workflow.retry_now, workflow.cleanup):
        with pytest.raises(WorkflowError):
            act(value)
    with pytest.raises(WorkflowError):
        workflow.send_event(uuid4(), "x", value)
