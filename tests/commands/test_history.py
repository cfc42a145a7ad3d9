"""``history --import``: a history of another database is shown and replayed here."""

import json
from pathlib import Path

import pytest

from django_workflows import Completed
from django_workflows.models import Step, Workflow
from tests.app.workflows import asks_approval, sums, workflow
from tests.commands.conftest import Manage
from tests.engine.driver import finish, run


@pytest.fixture
def file(tmp_path: Path, manage: Manage) -> Path:
    workflow_id = asks_approval.start()
    run()
    path = tmp_path / "history.json"
    manage("history", workflow_id, "--output", path)
    workflow.cancel(workflow_id, force=True)
    workflow.cleanup(workflow_id)
    return path


def test_it_is_shown_replayed_and_written_again(manage: Manage, file: Path) -> None:
    workflow_id = manage.json("history", "--import", file)["id"]
    assert json.loads(manage("history", workflow_id)) == json.loads(file.read_text())
    shown = manage("show", workflow_id)
    assert "imported from a history, in which it was in progress; it is not run" in shown
    assert "approval" in shown
    assert "blocked" not in manage("list")
    assert "1 match" in manage("check-replay", "--finished")
    assert "imported from a history" in manage.error("restart", workflow_id, returncode=1)


def test_a_taken_id_needs_a_new_one(manage: Manage, tmp_path: Path) -> None:
    workflow_id, path = sums.start([1, 2]), tmp_path / "history.json"
    finish(workflow_id)
    manage("history", workflow_id, "--output", path)
    assert str(workflow_id) in manage.error("history", "--import", path, returncode=2)
    assert Workflow.objects.count() == 1
    other = manage.json("history", "--import", path, "--new-id")["id"]
    assert workflow.status(other) == Completed(3)


@pytest.mark.parametrize("content", [b"{", b"\xff", b'{"format": 7}'])
def test_a_file_that_is_no_history_stores_nothing(manage: Manage, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.json"
    assert "cannot be read" in manage.error("history", "--import", path, returncode=2)
    path.write_bytes(content)
    assert str(path) in manage.error("history", "--import", path, returncode=2)
    assert not Workflow.objects.exists()
    assert not Step.objects.exists()


@pytest.mark.parametrize("words", [(), ("x", "--import", "y"), ("--import", "y", "--output", "z"), ("x", "--new-id")])
def test_options_that_do_not_go_together(manage: Manage, words: tuple[str, ...]) -> None:
    manage.error("history", *words, returncode=2)
