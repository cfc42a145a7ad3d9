"""``manage.py workflows watch``."""

import contextvars
import io
import json
from functools import partial
from uuid import uuid4

import pytest

from django_workflows import current_step, report_progress
from django_workflows.management import following
from django_workflows.models import Workflow
from django_workflows.store import workers
from tests.app import steps
from tests.app import workflows as w
from tests.commands.conftest import Manage
from tests.commands.test_start import worker
from tests.engine.driver import run


def test_a_finished_workflow_is_told_at_once(manage: Manage) -> None:
    workflow_id = w.sums.start([1, 2])
    run()
    first, change, result = manage("watch", workflow_id).splitlines()
    assert first == f"tests.app.workflows.sums  {workflow_id}"
    assert change.endswith("completed, 2 of 2 steps done")
    assert result == "Result: 3"


def test_every_change_is_one_line_of_json(manage: Manage) -> None:
    workflow_id = w.asks_approval.start()
    run()
    out = io.StringIO()

    class Answering(io.StringIO):
        def write(self, text: str) -> int:
            if '"running": ["approval"]' in text:
                w.workflow.send_event(workflow_id, w.approval, True)
            return out.write(text)

    with worker():
        manage("watch", workflow_id, "--json", out=Answering())
    changes = [json.loads(line) for line in out.getvalue().splitlines()]
    assert changes[0]["state"] == "in_progress"
    assert changes[0]["running"] == ["approval"]
    assert changes[0]["steps"] == {"waiting": 1}
    assert changes[-1]["state"] == "completed"
    assert changes[-1]["result"] == "yes"
    assert {change["id"] for change in changes} == {str(workflow_id)}


def test_open_steps_are_named_and_what_they_reported(manage: Manage) -> None:
    shown = []

    def look() -> None:
        report_progress(3, 10, "pages")
        out = io.StringIO()
        watch = partial(manage.error, "watch", current_step().workflow_id, "--timeout", "0.01", returncode=1, out=out)
        contextvars.Context().run(watch)  # as another process: inside of its own step that is refused
        shown.append(out.getvalue())

    steps.hooks.append(look)
    w.call.start("action", "act_then", {"key": "k"}, {"retry": "quick"})
    run()
    assert "in progress, 0 of 1 step done, open: act_then (3 of 10 pages)" in shown[0]


def test_many_open_steps_are_counted(manage: Manage) -> None:
    workflow_id = w.steps_of_all_kinds.start()
    run()
    out = io.StringIO()
    manage.error("watch", workflow_id, "--timeout", "0.01", returncode=1, out=out)
    assert "2 of 7 steps done, open: approval, sleep, cool down, 2 more" in out.getvalue()


def test_a_blocked_workflow_says_why(manage: Manage) -> None:
    workflow_id = w.nothing.start()
    Workflow.objects.filter(id=workflow_id).update(blocked_message="the code changed")
    out = io.StringIO()
    manage.error("watch", workflow_id, "--timeout", "0.01", returncode=1, out=out)
    assert "blocked (code mismatch): the code changed" in out.getvalue()


@pytest.mark.parametrize("json_wanted", [True, False])
def test_a_failure_ends_the_command_with_1(manage: Manage, json_wanted: bool) -> None:
    workflow_id = w.fails.start("bro\x1bken")
    run()
    out = io.StringIO()
    arguments = ["--json"] if json_wanted else []
    message = manage.error("watch", workflow_id, *arguments, returncode=1, out=out)
    assert message.startswith(r"The workflow failed with RuntimeError: bro\x1bken.")
    if json_wanted:
        assert json.loads(out.getvalue())["error"] == {"type": "builtins.RuntimeError", "message": "bro\x1bken"}


def test_a_canceled_workflow_ends_the_command_with_1(manage: Manage) -> None:
    workflow_id = w.asks_approval.start()
    run()
    w.workflow.cancel(workflow_id)
    assert manage.error("watch", workflow_id, returncode=1).startswith("The workflow was canceled.")


def test_after_a_while_without_workers_it_says_so(manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_PATIENCE", following.timedelta(0))
    workflow_id = w.nothing.start()
    hint = "No worker has ever reported: start one with `manage.py workflows cluster`."
    out = io.StringIO()
    manage.error("watch", workflow_id, "--timeout", "0.01", returncode=1, out=out)
    assert out.getvalue().count(hint) == 1
    out = io.StringIO()
    manage.error("watch", workflow_id, "--timeout", "0.01", "--json", returncode=1, out=out)
    assert json.loads(out.getvalue())["state"] == "in_progress"
    workers.beat("host:1", "host", 1, "worker", "", "")
    out = io.StringIO()
    manage.error("watch", workflow_id, "--timeout", "0.01", returncode=1, out=out)
    assert hint not in out.getvalue()


@pytest.mark.by_hand
def test_a_result_that_no_longer_fits_the_code_is_an_error(manage: Manage) -> None:
    workflow_id = w.sums.start([1])
    run()
    Workflow.objects.filter(id=workflow_id).update(result='"many"')
    assert "Input should be a valid integer" in manage.error("watch", workflow_id, returncode=1)


def test_an_unknown_id_is_an_error(manage: Manage) -> None:
    assert manage.error("watch", uuid4(), returncode=2).startswith("there is no workflow")


def test_a_workflow_that_is_cleaned_up_meanwhile_is_an_error(manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow_id = w.nothing.start()
    monkeypatch.setattr("django_workflows.engine.observe.time.sleep", lambda seconds: Workflow.objects.all().delete())
    assert manage.error("watch", workflow_id, returncode=2).startswith("there is no workflow")
