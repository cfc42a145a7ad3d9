"""``manage.py workflows cleanup``."""

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from django_workflows.management.verbs import cleanup
from django_workflows.models import Step, Workflow
from tests.app import workflows as w
from tests.commands.conftest import Manage, Screen
from tests.engine.driver import advance, run


def left() -> set[UUID]:
    return set(Workflow.objects.values_list("id", flat=True))


def test_one_finished_workflow_is_deleted_with_its_steps(manage: Manage) -> None:
    workflow_id, other = w.sums.start([1]), w.sums.start([2])
    run()
    assert manage("cleanup", workflow_id).startswith("Deleted 1 workflow, with steps, events and children.\n")
    assert left() == {other}
    assert not Step.objects.filter(workflow_id=workflow_id).exists()


def test_a_workflow_in_progress_is_kept(manage: Manage) -> None:
    workflow_id = w.asks_approval.start()
    run()
    assert manage.error("cleanup", workflow_id, returncode=1) == (
        f"Workflow {workflow_id} is in progress: only finished ones are deleted."
    )
    assert left() == {workflow_id}


def test_an_unknown_workflow_is_an_error(manage: Manage) -> None:
    assert manage.error("cleanup", uuid4(), returncode=2).startswith("there is no workflow")


def test_old_workflows_are_deleted_and_young_ones_kept(manage: Manage) -> None:
    for _ in range(3):
        w.sums.start([1])
    w.parent.start([1, 2])
    waiting = w.asks_approval.start()
    run()
    advance(timedelta(days=31))
    young = w.sums.start([1])
    run()
    document = manage.json("cleanup", "--older-than", "30d")
    assert document == {
        "dry_run": False,
        "deleted": 4,
        "kept": 0,
        "by_name": {"tests.app.workflows.parent": 1, "tests.app.workflows.sums": 3},
    }
    assert left() == {waiting, young}


def test_a_name_narrows_what_is_deleted(manage: Manage) -> None:
    w.sums.start([1])
    other = w.nothing.start()
    run()
    text = manage("cleanup", "--older-than", "0s", "--name", "tests.app.workflows.sums")
    assert re.search(r"^ +1  tests\.app\.workflows\.sums$", text, re.MULTILINE)
    assert left() == {other}


def test_a_dry_run_deletes_nothing(manage: Manage) -> None:
    ids = {w.sums.start([1]), w.nothing.start()}
    run()
    assert manage("cleanup", "--older-than", "0s", "--dry-run").startswith("Would delete 2 workflows,")
    (first, *_) = ids
    assert manage("cleanup", first, "--dry-run").startswith("Would delete 1 workflow,")
    assert manage.json("cleanup", "--older-than", "0s", "--dry-run")["dry_run"] is True
    assert left() == ids


def test_many_are_deleted_in_batches(manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "_BATCH", 3)
    monkeypatch.setattr(cleanup, "_QUIET", 0)
    for _ in range(10):
        w.nothing.start()
    run()
    text = manage("cleanup", "--older-than", "0s")
    assert [line for line in text.splitlines() if line.endswith("so far")] == [
        f"{count} workflows so far" for count in (3, 6, 9, 10)
    ]
    assert left() == set()


def test_on_a_terminal_its_progress_is_one_line(manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "_BATCH", 3)
    for _ in range(10):
        w.nothing.start()
    run()
    out = Screen()
    manage("cleanup", "--older-than", "0s", out=out)
    assert "9 workflows so far" in out.getvalue()
    assert out.shown().startswith("Deleted 10 workflows")


@pytest.mark.by_hand
def test_what_a_child_holds_is_kept_and_counted(manage: Manage) -> None:
    workflow_id = w.parent_of_waiting.start()
    run()
    Workflow.objects.filter(id=workflow_id).update(
        state="failed", finished_at=Workflow.objects.get(id=workflow_id).created_at
    )
    assert "a child that it gave up" in manage.error("cleanup", workflow_id, returncode=1)
    text = manage("cleanup", "--older-than", "0s")
    assert text.startswith("Deleted 0 workflows")
    assert "Kept 1: a child that they gave up is still in progress." in text
    assert workflow_id in left()


def test_an_interrupted_cleanup_has_deleted_what_it_has(manage: Manage, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        w.nothing.start()
    run()
    pieces = iter([True, KeyboardInterrupt])

    def delete(workflow_id: UUID) -> bool:
        if next(pieces) is KeyboardInterrupt:
            raise KeyboardInterrupt
        return original(workflow_id)

    original = cleanup.manager.cleanup
    monkeypatch.setattr(cleanup.manager, "cleanup", delete)
    assert manage.error("cleanup", "--older-than", "0s", returncode=130) == "Interrupted."
    assert len(left()) == 2


def test_neither_or_both_an_id_and_an_age_are_wrong_usage(manage: Manage) -> None:
    expected = "Give either the id of a workflow, or --older-than with an age as 30d."
    assert manage.error("cleanup", returncode=2) == expected
    assert manage.error("cleanup", uuid4(), "--older-than", "30d", returncode=2) == expected
    assert manage.error("cleanup", uuid4(), "--name", "x", returncode=2).startswith("--name goes with --older-than")


@pytest.mark.parametrize("age", ["30", "", "d", "-3d", "1.d", "3 days", "9" * 30 + "d", "900000d", "1e9d"])
def test_an_age_without_a_clear_unit_is_refused(manage: Manage, age: str) -> None:
    w.nothing.start()
    run()
    assert manage.error("cleanup", f"--older-than={age}", returncode=1).startswith("Error: argument --older-than")
    assert len(left()) == 1
