"""`workflows recover`: brings back what was lost, and says what still does not go on."""

from django_workflows.engine.worker import Worker
from django_workflows.models import Worker as WorkerRow
from django_workflows.models import Workflow
from django_workflows.store import steps as step_store
from tests.app.workflows import asks_approval, nothing, workflow
from tests.commands.conftest import Manage
from tests.engine.driver import advance, run


def test_nothing_to_do(manage: Manage) -> None:
    found = manage.json("recover")
    assert (found["dead_workers"], found["silent_workers"], found["lost_workflows"]) == (0, 0, 0)
    assert found["ok"] is True
    assert "0 workflows waited for nothing" in manage("recover")


def test_what_a_dead_worker_held_is_given_back(manage: Manage) -> None:
    from tests.app.workflows import sums

    workflow_id = sums.start([1, 2])
    host, pid, began, where, _ = Worker().id.split(":")
    dead = f"{host}:{pid}:{int(began) - 1}:{where}:dead"
    WorkerRow.objects.create(id=dead, host=host, pid=pid, started_at="2026-01-01T00:00Z", seen_at="2026-01-01T00:00Z")
    from django_workflows.store import workflows

    assert workflows.claim_turn("", dead) is not None
    run()
    assert workflow.status(workflow_id).type == "in_progress"
    assert manage.json("recover")["dead_workers"] == 1
    run()
    assert workflow.status(workflow_id).type == "completed"
    assert step_store.claim("", "x") is None


def test_a_workflow_that_waits_for_nothing_is_looked_at(manage: Manage) -> None:
    workflow_id = nothing.start()
    Workflow.objects.filter(pk=workflow_id).update(due_at=None)
    waiting = asks_approval.start()
    run()
    assert workflow.status(workflow_id).type == "in_progress"
    assert manage.json("recover")["lost_workflows"] == 1
    run()
    assert workflow.status(workflow_id).type == "completed"
    assert workflow.status(waiting).type == "in_progress"
    assert manage.json("recover")["lost_workflows"] == 0


def test_a_stalled_queue_is_an_error(manage: Manage) -> None:
    nothing.start()
    advance(60)
    out = manage.error("recover", returncode=1)
    assert "does not go on" in out
