"""``cancel``, ``restart``, ``send``, ``history`` and ``check-replay``."""

import json
import os
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from django_workflows import Canceled, Completed, InProgress
from django_workflows.core.registry import registry
from django_workflows.engine.live import live_handlers
from tests.app.workflows import asks_approval, cleans_up, sums, workflow
from tests.engine.driver import amid_its_action, finish, run


def told(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    call_command("workflows", *map(str, words))
    return capsys.readouterr().out


def refused(*words: object) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        call_command("workflows", *map(str, words))
    return caught.value.returncode, str(caught.value)


def test_a_workflow_is_canceled(capsys: pytest.CaptureFixture[str]) -> None:
    workflow_id = asks_approval.start()
    run()
    assert f"{workflow_id}: canceled" in told(capsys, "cancel", workflow_id)
    assert workflow.status(workflow_id) == Canceled()
    assert refused("cancel", workflow_id)[0] == 1
    assert refused("cancel", uuid4())[0] == 2


def test_cancel_says_which_function_still_runs(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    amid_its_action(lambda workflow_id: said.append(told(capsys, "cancel", workflow_id)))
    first, second = said[0].splitlines()
    assert first.endswith(": canceled.")
    words = (
        rf"Step 0 \(tests\.app\.steps\.watch_for_cancel\) still runs, on \S+, pid {os.getpid()}: its function is not "
    )
    assert re.match(words + "interrupted", second)


def test_one_that_cleans_up_is_ended_by_force(capsys: pytest.CaptureFixture[str]) -> None:
    workflow_id = cleans_up.start("a")
    run()
    assert "in progress" in told(capsys, "cancel", workflow_id)
    assert json.loads(told(capsys, "cancel", workflow_id, "--force", "--json"))["state"] == "canceled"


def test_a_finished_workflow_is_restarted_from_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    workflow_id = sums.start([1, 2, 3])
    finish(workflow_id)
    assert "Restarted" in told(capsys, "restart", workflow_id, "--from", "1")
    assert list(workflow.steps(workflow_id).values_list("state", flat=True)) == ["completed"]
    assert refused("restart", workflow_id)[0] == 1
    assert finish(workflow_id) == Completed(6)
    told(capsys, "restart", workflow_id, "--from", "tests.app.steps.add")
    assert workflow.steps(workflow_id).count() == 2
    finish(workflow_id)
    assert refused("restart", workflow_id, "--from", "nothing.like.it") == (
        2,
        f"workflow {workflow_id} has no step of the name or function 'nothing.like.it'",
    )


@pytest.mark.parametrize(("given", "result"), [(("--value", "true"), "yes"), (("--value", "false"), "no")])
def test_an_event_is_sent(capsys: pytest.CaptureFixture[str], given: tuple[str, str], result: str) -> None:
    workflow_id = asks_approval.start()
    run()
    told(capsys, "send", workflow_id, "approval", *given)
    assert finish(workflow_id) == Completed(result)


def test_an_event_is_sent_by_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    workflow_id = asks_approval.start()
    event_id = workflow.create_event(workflow_id, "approval")
    told(capsys, "send", workflow_id, event_id, "--value", "true")
    assert finish(workflow_id) == Completed("yes")


@pytest.mark.parametrize("wrong", [("--value", "{"), ("--value", '"text"'), ("--value", "1", "--error", "x")])
def test_an_event_that_does_not_fit_is_refused(wrong: tuple[str, ...]) -> None:
    workflow_id = asks_approval.start()
    run()
    assert refused("send", workflow_id, "approval", *wrong)[0] == 2
    assert workflow.status(workflow_id) == InProgress(["approval"])


def test_journals_are_replayed_against_the_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = asks_approval.start(), sums.start([1, 2])
    run()
    path = tmp_path / "history.json"
    told(capsys, "history", second, "--output", path)
    assert json.loads(told(capsys, "history", second)) == json.loads(path.read_text())
    assert "1 match" in told(capsys, "check-replay")
    assert "2 match" in told(capsys, "check-replay", "--finished")
    assert "1 match" in told(capsys, "check-replay", path)

    async def changed(step: Any, timeout: float | None = None) -> None:
        await step.sleep(1)

    definition = registry.find(asks_approval.name)
    monkeypatch.setattr(definition, "handler", changed)
    live_handlers.clear()
    code, message = refused("check-replay", "--json")
    assert (code, message) == (1, "1 journal of 1 would not replay.")
    document = json.loads(capsys.readouterr().out)
    assert document["problems"][0]["source"] == str(first)
    assert "approval" in document["problems"][0]["problem"]
    monkeypatch.undo()


def test_a_file_that_is_no_history_is_named(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    assert refused("check-replay", path)[0] == 2
    path.write_text("[]")
    code, message = refused("check-replay", path)
    assert code == 2
    assert str(path) in message


def test_an_event_with_a_key_is_sent_once(capsys: pytest.CaptureFixture[str]) -> None:
    workflow_id = asks_approval.start()
    for _ in range(2):
        told(capsys, "send", workflow_id, "approval", "--value", "true", "--idempotency-key", "k")
    assert finish(workflow_id) == Completed("yes")
    told(capsys, "send", workflow_id, "approval", "--value", "true", "--idempotency-key", "k")
    code, said = refused("send", workflow_id, "approval", "--value", "false", "--idempotency-key", "k")
    assert code == 1
    assert "take another key" in said


def test_what_failed_runs_again_and_a_blocked_one_is_restarted_or_retried(capsys: pytest.CaptureFixture[str]) -> None:
    ended = sums.start([1, 2])
    finish(ended)
    for given in ((), ("--keep",), ("--from", "1")):
        assert "Restarted" in told(capsys, "restart", ended, *given)
        assert finish(ended) == Completed(3)
    assert "its steps are 0 to 1" in refused("restart", ended, "--from=-1")[1]
    workflow_id = asks_approval.start()
    run()
    assert "Retrying" in told(capsys, "retry", workflow_id)
