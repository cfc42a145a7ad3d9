"""What looks like a secret is masked in whatever a command prints, but for histories, which are replayed."""

import json

import pytest

from django_workflows import WorkflowContext, WorkflowManager, report_progress
from tests.commands.conftest import Manage
from tests.engine.driver import run

workflow = WorkflowManager()
SECRET = "xyzzy-4711"


def log_in(password: str) -> dict[str, str]:
    report_progress(1, 2, f"token={SECRET}")
    return {"api_key": password, "user": "me"}


def fail(password: str) -> None:
    raise ValueError(f"no entry with password={password}")


@workflow.define(name="masking.logs_in")
async def logs_in(step: WorkflowContext, password: str) -> dict[str, str]:
    return await step.run_action(log_in, password)


@workflow.define(name="masking.fails")
async def fails(step: WorkflowContext, password: str) -> None:
    await step.run_action(fail, password=password)


@pytest.mark.parametrize(
    "command",
    [["show"], ["show", "--all"], ["show", "--json"], ["show", "--all", "--json"], ["watch"], ["watch", "--json"]],
    ids=" ".join,
)
def test_a_completed_one_is_shown_without_its_secrets(manage: Manage, command: list[str]) -> None:
    workflow_id = logs_in.start(SECRET)
    run()
    text = manage(command[0], workflow_id, *command[1:])
    assert SECRET not in text
    assert '"me"' in text, "what is no secret is shown"
    assert "********" in text


@pytest.mark.parametrize("command", [["show"], ["show", "--all"], ["show", "--json"], ["show", "--all", "--json"]])
def test_an_error_is_shown_without_its_secrets(manage: Manage, command: list[str]) -> None:
    workflow_id = fails.start(SECRET)
    run()
    text = manage(command[0], workflow_id, *command[1:])
    assert SECRET not in text
    assert "no entry with password=********" in text


def test_lists_ends_and_what_is_done_say_no_secret(manage: Manage) -> None:
    workflow_id = fails.start(SECRET)
    run()
    assert SECRET not in manage("list", "--json")
    assert SECRET not in manage.error("watch", workflow_id, returncode=1)
    assert SECRET not in manage("restart", workflow_id, "--json")
    run()
    assert SECRET not in manage("start", "masking.logs_in", "--args", json.dumps({"password": SECRET}), "--json")


def test_a_history_is_whole(manage: Manage) -> None:
    workflow_id = logs_in.start(SECRET)
    run()
    assert SECRET in manage("history", workflow_id)
