"""``manage.py workflows start``: typed arguments, clear errors, and waiting for the end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.db import connection

from django_workflows import Completed
from django_workflows.models import Workflow
from tests.app import workflows as w
from tests.commands.conftest import Manage, Screen
from tests.engine.driver import run


@pytest.fixture
def working() -> Iterator[None]:
    """A worker in a thread of its own."""
    with worker():
        yield


@contextmanager
def worker() -> Iterator[None]:
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            run()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_a_started_workflow_has_its_arguments(manage: Manage) -> None:
    text = manage("start", "tests.app.workflows.sums", "--args", '{"numbers": [1, 2]}')
    started = Workflow.objects.get()
    assert text == f"Started tests.app.workflows.sums {started.id}\n"
    run()
    assert w.workflow.status(started.id) == Completed(3)


def test_json_is_the_workflow(manage: Manage) -> None:
    document = manage.json("start", "tests.app.workflows.nothing")
    assert document["id"] == str(Workflow.objects.get().id)
    assert (document["state"], document["args"], document["name"]) == ("in_progress", {}, "tests.app.workflows.nothing")


def test_arguments_are_converted_to_their_types(manage: Manage) -> None:
    arguments = '{"when": "2026-01-01T00:00:00Z", "amount": "1.50", "ident": "00000000-0000-0000-0000-000000000001"}'
    document = manage.json("start", "tests.app.workflows.typed", "--args", arguments)
    run()
    assert w.workflow.status(document["id"]).type == "completed"


def test_an_idempotency_key_gives_the_first_workflow_back(manage: Manage) -> None:
    arguments = ["start", "tests.app.workflows.nothing", "--idempotency-key", "order 17"]
    first = manage.json(*arguments)
    assert manage.json(*arguments)["id"] == first["id"]
    assert first["idempotency_key"] == "order 17"


def test_a_queue_and_a_time_are_kept(manage: Manage) -> None:
    manage("start", "tests.app.workflows.nothing", "--queue", "slow", "--run-at", "2030-01-01T10:00+02:00")
    started = Workflow.objects.get()
    assert started.queue == "slow"
    assert started.due_at == datetime(2030, 1, 1, 8, tzinfo=UTC)


def test_a_time_without_an_offset_is_in_the_projects_time_zone(manage: Manage, settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    manage("start", "tests.app.workflows.nothing", "--run-at", "2030-01-01T10:00")
    assert Workflow.objects.get().due_at == datetime(2030, 1, 1, 1, tzinfo=UTC)


# -- errors


def nothing_started() -> bool:
    return not Workflow.objects.exists()


def test_an_unknown_definition_is_an_error_with_the_nearest_names(manage: Manage) -> None:
    message = manage.error("start", "tests.app.workflows.sum", returncode=2)
    assert "Did you mean tests.app.workflows.sums" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"numbers": [1,2,}',
            '--args is no JSON at column 18: Expecting value\n  {"numbers": [1,2,}\n' + " " * 19 + "^",
        ),
        (
            '{\n  "numbers": x}',
            '--args is no JSON at line 2, column 14: Expecting value\n    "numbers": x}\n' + " " * 15 + "^",
        ),
        ("{" + "\x1b" * 3, "--args is no JSON at column 2: Expecting property name"),
        ("[" * 100_000, "--args is nested too deeply"),
        ('{"numbers": NaN}', "--args is no JSON: NaN is no JSON value"),
        ('{"numbers": ' + "9" * 5000 + "}", "--args is no JSON: Exceeds the limit"),
        ("[1]", "--args must be a JSON object with the arguments by name"),
        ("", "--args is no JSON at column 1"),
    ],
)
def test_bad_json_is_shown_with_its_place(manage: Manage, text: str, message: str) -> None:
    found = manage.error("start", "tests.app.workflows.sums", "--args", text, returncode=2)
    assert found.startswith(message)
    assert all(line.isprintable() for line in found.splitlines())
    assert nothing_started()


def test_arguments_that_do_not_fit_are_named(manage: Manage) -> None:
    message = manage.error("start", "tests.app.workflows.sums", "--args", '{"numbers": [1, "x"]}', returncode=2)
    assert message.splitlines() == [
        "tests.app.workflows.sums cannot be started so:",
        "  numbers[1]: Input should be a valid integer, unable to parse string as an integer, got 'x' (str)",
        "It takes numbers: array of integer",
    ]
    assert nothing_started()


def test_unknown_and_missing_arguments_are_named_together(manage: Manage) -> None:
    message = manage.error("start", "tests.app.workflows.retried", "--args", '{"nam": 1}', returncode=2)
    assert "nam: there is no parameter 'nam'; did you mean 'name'?" in message
    assert "attempts: the argument 'attempts' is missing" in message
    assert nothing_started()


def test_a_timeout_without_waiting_is_wrong_usage(manage: Manage) -> None:
    message = manage.error("start", "tests.app.workflows.nothing", "--timeout", "5", returncode=2)
    assert message.startswith("--timeout says how long to --wait")
    assert nothing_started()


@pytest.mark.parametrize(
    "arguments",
    [("--run-at", "tomorrow"), ("--run-at", "0001-01-01T00:00+14:00"), ("--wait", "--timeout", "5 parsecs")],
)
def test_times_that_cannot_be_read_are_refused(manage: Manage, arguments: tuple[str, ...]) -> None:
    assert manage.error("start", "tests.app.workflows.nothing", *arguments, returncode=1).startswith("Error: argument")
    assert nothing_started()


def test_a_bad_queue_is_refused(manage: Manage) -> None:
    assert "queue: 1 to 200 printable" in manage.error(
        "start", "tests.app.workflows.nothing", "--queue", "", returncode=2
    )
    assert nothing_started()


# -- waiting


@pytest.mark.usefixtures("working")
def test_waiting_shows_changes_and_the_result(manage: Manage) -> None:
    text = manage("start", "tests.app.workflows.sums", "--args", '{"numbers": [1, 2]}', "--wait")
    lines = text.splitlines()
    assert lines[0].startswith("Started tests.app.workflows.sums ")
    assert lines[-2].endswith("completed, 2 of 2 steps done")
    assert lines[-1] == "Result: 3"


@pytest.mark.usefixtures("working")
def test_waiting_for_json_gives_one_document_at_the_end(manage: Manage) -> None:
    document = manage.json("start", "tests.app.workflows.sums", "--args", '{"numbers": [1, 2]}', "--wait")
    assert (document["state"], document["result"]) == ("completed", 3)


@pytest.mark.usefixtures("working")
def test_a_workflow_that_fails_ends_the_command_with_1(manage: Manage) -> None:
    message = manage.error("start", "tests.app.workflows.fails", "--wait", returncode=1)
    workflow_id = Workflow.objects.get().id
    assert message == f"The workflow failed with RuntimeError: broken. See manage.py workflows show {workflow_id}"


def test_waiting_ends_in_time_and_the_workflow_goes_on(manage: Manage) -> None:
    message = manage.error("start", "tests.app.workflows.nothing", "--wait", "--timeout", "0.05", returncode=1)
    assert message.startswith("The workflow has not ended in time, and goes on.")
    run()
    assert w.workflow.status(Workflow.objects.get().id).type == "completed"


@pytest.mark.usefixtures("working")
def test_on_a_terminal_one_line_is_drawn_again(manage: Manage) -> None:
    out = Screen()
    manage("start", "tests.app.workflows.sleeper", "--args", '{"seconds": 0.3}', "--wait", out=out)
    assert "\r\x1b[K" in out.getvalue()
    shown = out.shown().splitlines()
    assert len(shown) == 3
    assert "completed" in shown[1]


def test_an_interrupted_wait_says_that_the_workflow_goes_on(manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(monkeypatch, 1)
    message = manage.error("start", "tests.app.workflows.nothing", "--wait", returncode=130)
    assert message == (
        "Interrupted; the workflow goes on without you. "
        f"See it again: manage.py workflows watch {Workflow.objects.get().id}"
    )


def interrupt_after(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    def pause(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("django_workflows.engine.observe.time.sleep", pause)
