"""Values that cannot be kept: a clear error that names the step, in a workflow that can go on."""

import re
import sys
import types
from unittest import mock

import pytest

from django_workflows import (
    Completed,
    InvalidDefinition,
    InvalidStep,
    WorkflowContext,
    WorkflowManager,
    define_event,
)
from django_workflows.core.definitions import step_function_path
from django_workflows.core.registry import registry
from django_workflows.engine.worker import Worker
from django_workflows.exceptions import InvalidArguments, PayloadTooLarge
from django_workflows.models import Step, Workflow
from django_workflows.models import Worker as WorkerRow
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import finish, run

workflow = flows.workflow


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("not_a_number", {}, "nan"),
        ("infinite", {}, "inf"),
        ("nested_nan", {}, "measurements"),
        ("untyped_datetime", {}, "annotate its type"),
        ("never_annotated", {}, "annotate its type"),
        ("bad_result", {}, "integer"),
        ("deep", {"levels": 101}, "nested"),
        ("deep", {"levels": 900}, "nested"),
        ("circular", {}, "holds itself"),
        ("large", {"size": 2_000_000}, "2,000,002 bytes"),
    ],
)
@pytest.mark.parametrize("kind", ["action", "mutation"])
def test_a_result_that_cannot_be_kept_fails_the_step_by_name(function, arguments, message, kind):
    workflow_id = flows.call.start(kind, function, arguments, {})
    status = finish(workflow_id)
    assert status.type == "failed"
    assert f"result of step 0 (tests.app.steps.{function})" in status.error
    assert message in status.error
    assert len(status.error) < 1000
    assert Step.objects.get().state == "failed"


@pytest.mark.parametrize("value", ["nul", "surrogate"])
@pytest.mark.parametrize("replaying", [False, True])
def test_strange_text_comes_back_the_same(value, replaying):
    expected = {"nul": "a\x00b", "surrogate": "\ud800"}[value]
    status = finish(flows.call.start("action", value, {}, {}), replaying=replaying)
    assert status == Completed(expected)


@pytest.mark.parametrize(
    "value",
    [
        "\x00",
        "\ud800 \udfff",
        "'; DROP TABLE django_workflows_step; --",
        "%s %d %(x)s {x} {0}",
        {"\x00": "\ud800", "": [[], {}, [None]]},
        [0, -0.0, 1e20, 1e308, 5e-324, 2**53 + 1, 10**300, True, False, None],
        {"b": 1, "a": 2},
        "x" * 1_000_000,
    ],
    ids=lambda value: repr(value)[:20].encode("ascii", "backslashreplace").decode(),
)
@pytest.mark.parametrize("replaying", [False, True])
def test_strange_values_come_back_the_same(value, replaying):
    result = finish(flows.echoes.start(value), replaying=replaying).result
    assert repr(result) == repr(value)


@workflow.define(name="tests tries a bad argument")
async def tries_a_bad_argument(step: WorkflowContext, which: str) -> str:
    value = {"nan": float("nan"), "object": object(), "large": "x" * 2_000_000, "wrong": "no number"}[which]
    await step.run_action(steps.no_op)
    try:
        await step.run_action(steps.add if which == "wrong" else steps.echo, value, *([1] if which == "wrong" else []))
    except Exception as error:  # noqa: BLE001 - whatever it is
        assert "arguments of step 1 (tests.app.steps." in str(error), error
        return f"{type(error).__name__}, and {await step.run_action(steps.add, 1, 1)}"
    return "accepted"


@pytest.mark.parametrize(
    ("which", "error"),
    [
        ("nan", "InvalidArguments"),
        ("object", "InvalidArguments"),
        ("large", "PayloadTooLarge"),
        ("wrong", "InvalidArguments"),
    ],
)
@pytest.mark.parametrize("replaying", [False, True])
def test_a_bad_argument_is_raised_where_the_step_is_asked_for(which, error, replaying):
    assert finish(tries_a_bad_argument.start(which), replaying=replaying) == Completed(f"{error}, and 2")
    assert Step.objects.count() == 2, "what was refused has no number"


@workflow.define(name="tests returns what it cannot")
async def returns_what_it_cannot(step: WorkflowContext, value: str) -> int:
    await step.run_action(steps.no_op)
    return value  # type: ignore[return-value]


def test_a_bad_result_of_a_workflow_fails_it_by_name():
    status = finish(returns_what_it_cannot.start("seven"))
    assert status.type == "failed"
    assert "result of workflow tests returns what it cannot" in status.error
    assert status.error_type == "django_workflows.exceptions.InvalidPayload"


def test_a_journal_that_grows_too_large_fails_and_names_the_step(settings, caplog):
    settings.DJANGO_WORKFLOWS = {"MAX_JOURNAL_BYTES": 10_000}
    workflow_id = grows.start(1000)
    status = finish(workflow_id)
    assert status.error_type == "django_workflows.exceptions.JournalTooLarge"
    assert "at tests.app.steps.large, above MAX_JOURNAL_BYTES (10,000)" in status.error
    assert re.search(r"The largest of what came now is the result of step \d+: 1,002 bytes, .*xxx", status.error)
    assert "of MAX_JOURNAL_BYTES" in caplog.text, "it was warned about before"
    assert Step.objects.filter(state="completed").count() < 11


@workflow.define(name="tests grows")
async def grows(step: WorkflowContext, size: int) -> None:
    for _ in range(100):
        await step.run_action(steps.large, size)


def test_a_fan_out_that_is_too_large_begins_nothing(settings):
    settings.DJANGO_WORKFLOWS = {"MAX_JOURNAL_BYTES": 10_000}
    workflow_id = flows.parent.start(list(range(2000)))
    status = finish(workflow_id)
    assert status.error_type == "django_workflows.exceptions.JournalTooLarge"
    assert not workflow.list(name="tests.app.workflows.child").exists()


@pytest.mark.parametrize(
    "value",
    [float("nan"), object(), [[[float("inf")]]], {1: 2}, b"bytes", {1, 2}],
)
def test_a_bad_argument_of_start_stores_nothing(value):
    with pytest.raises(InvalidArguments):
        flows.call.start("action", "echo", {"value": value}, {})
    assert not workflow.list().exists()


def test_a_deep_argument_of_start_stores_nothing():
    value: list = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(InvalidArguments, match="nested"):
        flows.echoes.start(value)
    with pytest.raises(InvalidArguments, match="depth"):
        flows.call.start("action", "echo", {"value": value}, {})
    with pytest.raises(InvalidArguments, match="nested"):
        workflow.start("tests.app.workflows.echoes", {"value": value})
    with pytest.raises(InvalidArguments, match="should be a valid string"):
        workflow.start("tests.app.workflows.fails", {"message": value})
    assert not workflow.list().exists()


def test_stored_texts_hold_letters_as_they_are_and_what_no_database_takes_escaped():
    assert finish(flows.echoes.start("ü\x00\ud800\U0001f600")) == Completed("ü\x00\ud800\U0001f600")
    step = Step.objects.get()
    assert step.args == '{"value":"ü\\u0000\\ud800\U0001f600"}'
    assert step.result == '"ü\\u0000\\ud800\U0001f600"'


def test_a_quarter_of_a_million_cyrillic_letters_are_half_a_megabyte():
    text = "Ж" * 250_000
    workflow_id = flows.echoes.start(text)
    assert finish(workflow_id, replaying=True) == Completed(text)
    with pytest.raises(PayloadTooLarge, match=r"1,200,012 bytes of JSON, and 1,048,576 are allowed"):
        flows.echoes.start("Ж" * 600_000)
    stored = Workflow.objects.get()
    texts = [stored.args, *(text for step in stored.steps.all() for text in (step.args, step.result))]
    assert stored.journal_bytes == sum(len(each.encode()) for each in texts)
    workflow.restart(workflow_id, 0)
    stored.refresh_from_db()
    assert stored.journal_bytes == len(stored.args.encode())
    finish(workflow_id)


def test_journals_of_before_which_escaped_all_letters_go_on():
    workflow_id = flows.waits_then_echoes.start("Ж")
    run()
    Workflow.objects.update(args='{"value":"\\u0416"}')
    Step.objects.filter(kind="action").update(args='{"value":"\\u0416"}', result='"\\u0416"')
    assert finish(workflow_id, replaying=True) == Completed(["Ж", "Ж"])


def test_a_start_an_event_and_a_context_that_are_too_large_raise_the_same():
    large = "Ж" * 600_000
    waiting = flows.asks_approval.start()
    for ask in (
        lambda: flows.echoes.start(large),
        lambda: workflow.start("tests.app.workflows.echoes", {"value": large}),
        lambda: flows.echoes.with_options(context=large).start(1),
        lambda: workflow.send_event(waiting, "any", large),
        lambda: workflow.send_event(waiting, define_event("bad values: large", str), large),
        lambda: workflow.send_event(event_id=workflow.create_event(waiting, "made"), value=[large]),
    ):
        with pytest.raises(PayloadTooLarge) as caught:
            ask()
        assert re.fullmatch(
            r"(arguments of|context of|value of event) .*: 1,200,0\d\d bytes of JSON, and 1,048,576 are allowed. "
            r"It begins with .*ЖЖ.* ... Keep large data in your own tables or files, and pass its id.",
            str(caught.value),
        )
    workflow.cancel(waiting)


# -- names that are too long for their columns: an error where they are given, never a part of the name


def test_names_of_managers_and_queues_are_held_to_what_is_stored() -> None:
    async def handler(step: WorkflowContext) -> None:
        """Never runs."""

    for options in ({"name": "n" * 201, "max_parallelism": 1}, {"queue": "q" * 201}, {"queue": "q\nr"}):
        with pytest.raises(InvalidDefinition, match="1 to 200 printable characters are needed"):
            WorkflowManager(**options).define(name="tests names")(handler)
    with pytest.raises(InvalidDefinition, match="1 to 200 printable characters are needed"):
        WorkflowManager().define(name="n" * 201, max_parallelism=1)(handler)
    assert all(len(name) <= 200 for name in registry.pools)
    assert registry.get("tests names") is None


def test_a_function_whose_path_is_too_long_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("m" * 500)
    exec("def send(): pass", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(InvalidStep, match="can have 500 characters, and that of send has 505"):
        step_function_path(module.send)
    with pytest.raises(InvalidArguments, match="can have 500 characters"):
        flows.nothing.with_options(on_complete=module.send).start()
    with pytest.raises(InvalidArguments, match="can have 500 characters, and this has 505"):
        flows.nothing.with_options(on_complete=f"{module.__name__}.send").start()


def test_what_is_only_shown_is_cut_visibly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "host" + "x" * 300)
    worker = Worker()
    worker.aside = "django-q2 task " + "t" * 1000
    worker.beat()
    row = WorkerRow.objects.get()
    assert "characters left out" in row.host
    assert "characters left out" in row.doing
    assert row.doing.startswith("django-q2 task ")
    WorkerRow.objects.all().delete()


def test_a_turn_that_fails_with_a_long_text_is_blocked_with_both_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "django_workflows.engine.advance.lead_first", mock.Mock(side_effect=OSError("a\0" + "b" * 5000))
    )
    monkeypatch.setattr("django_workflows.engine.advance.take_turn", mock.Mock(side_effect=OSError("a\0" + "b" * 5000)))
    workflow_id = flows.nothing.start()
    run()
    problem = workflow.list().get(id=workflow_id).blocked_message
    assert "characters left out" in problem
    assert problem.startswith("OSError: a\ufffdb")
