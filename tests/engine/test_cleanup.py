"""Deleting what has ended."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.module_loading import import_string
from django.utils.timezone import now
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from django_workflows import WorkflowNotFound
from django_workflows.engine import cleanup
from django_workflows.models import Step, Workflow
from django_workflows.q2 import tasks
from django_workflows.store import retention
from tests.app import workflows as flows
from tests.engine.driver import advance, finish, run

workflow = flows.workflow


def test_it_deletes_a_finished_workflow_with_its_steps_and_children():
    workflow_id = flows.parent.start([1, 2])
    finish(workflow_id)
    other = flows.sums.start([1])
    finish(other)
    assert workflow.cleanup(workflow_id) is True
    with pytest.raises(WorkflowNotFound):
        workflow.status(workflow_id)
    assert list(Workflow.objects.values_list("id", flat=True)) == [other]
    assert set(Step.objects.values_list("workflow", flat=True)) == {other}
    assert workflow.cleanup(workflow_id) is False


def test_a_running_or_unknown_workflow_is_not_deleted():
    workflow_id = flows.asks_approval.start()
    assert workflow.cleanup(workflow_id) is False
    run()
    assert workflow.cleanup(workflow_id) is False
    assert workflow.status(workflow_id).type == "in_progress"
    assert workflow.cleanup(UUID(int=7)) is False


def test_a_failed_workflow_is_deleted():
    workflow_id = flows.fails.start()
    finish(workflow_id)
    assert workflow.cleanup(str(workflow_id)) is True


def test_expired_workflows_are_deleted_and_others_stay(settings):
    settings.DJANGO_WORKFLOWS = {"RETENTION": timedelta(days=10)}
    by_setting = flows.nothing.start()
    shorter = flows.parent.with_options(retain_for=timedelta(days=1)).start([1])
    longer = flows.nothing.with_options(retain_for=timedelta(days=100)).start()
    running = flows.asks_approval.start()
    finish(shorter)
    assert cleanup.cleanup_expired() == 0
    advance(timedelta(days=1, seconds=1))
    assert cleanup.cleanup_expired() == 1
    assert set(workflow.list().values_list("id", flat=True)) == {by_setting, longer, running}
    advance(timedelta(days=9))
    assert cleanup.cleanup_expired() == 1
    assert set(workflow.list().values_list("id", flat=True)) == {longer, running}


def test_without_retention_everything_stays():
    flows.nothing.start()
    run()
    advance(timedelta(days=3650))
    assert cleanup.cleanup_expired() == 0


def test_many_expired_workflows_are_deleted_in_batches():
    for _ in range(7):
        flows.nothing.with_options(retain_for=1).start()
    run()
    advance(2)
    assert cleanup.cleanup_expired(limit=3) >= 3
    cleanup.cleanup_expired()
    assert not Workflow.objects.exists()


def test_those_that_expire_in_one_millisecond_are_found_one_after_the_other():
    flows.nothing.with_options(retain_for=1).start_many([()] * 3)
    run()
    advance(2)
    first = Workflow.objects.order_by("id").values_list("expires_at", flat=True)[0]
    with connection.cursor() as cursor:  # as the statement that ends a workflow leaves it
        value = "%s" if connection.vendor == "postgresql" else "strftime('%%Y-%%m-%%d %%H:%%M:%%f', %s)"
        cursor.execute(f"UPDATE django_workflows_workflow SET expires_at = {value}", [first])
    found, after = [], None
    while batch := retention.expired(1, after):
        found += [each.id for each in batch]
        after = batch[-1]
    assert found == sorted(Workflow.objects.values_list("id", flat=True))


def test_children_are_not_deleted_before_their_parent(settings):
    settings.DJANGO_WORKFLOWS = {"RETENTION": 1}
    workflow_id = flows.waits_after_its_child.start()
    run()
    advance(5)
    assert cleanup.cleanup_expired() == 0
    assert Workflow.objects.count() == 2
    finish(workflow_id)
    advance(2)
    assert cleanup.cleanup_expired() == 1
    assert not Workflow.objects.exists()


def test_a_batch_costs_as_many_statements_as_one_workflow():
    def statements(count: int) -> int:
        flows.nothing.with_options(retain_for=1).start_many([()] * count)
        run()
        advance(2)
        with CaptureQueriesContext(connection) as sent:
            assert cleanup.cleanup_expired() == count
        return len(sent)

    assert statements(60) == statements(1)


def test_the_sweep_deletes_all_that_it_has_time_for():
    expired(1300)
    tasks.sweep()
    assert not Workflow.objects.exists()


def expired(count: int) -> None:
    flows.nothing.with_options(retain_for=1).start_many([()] * count)
    Workflow.objects.update(state="completed", due_at=None, expires_at=now() - timedelta(1))


def test_the_sweep_says_whether_its_time_was_enough(monkeypatch):
    expired(300)
    monkeypatch.setattr(cleanup, "SWEEP_SECONDS", 0.0)
    assert cleanup.sweep() is True
    assert Workflow.objects.count() == 200
    monkeypatch.undo()
    assert cleanup.sweep() is False
    assert not Workflow.objects.exists()


def test_the_sweep_stops_with_its_cluster():
    expired(300)
    assert cleanup.sweep(stop=lambda: True) is True
    assert Workflow.objects.count() == 200


def queued() -> list[tuple[str, tuple[int, ...]]]:
    """The tasks that wait for one of django-q2's workers, which are taken."""
    packages = [SignedPackage.loads(each.payload) for each in OrmQ.objects.order_by("id")]
    OrmQ.objects.all().delete()
    return [(each["func"], each["args"]) for each in packages]


def test_what_a_sweep_has_no_time_for_is_deleted_by_tasks_behind_others_that_wait(monkeypatch):
    monkeypatch.setattr(cleanup, "SWEEP_SECONDS", 0.0)
    expired(300)
    tasks.sweep()
    asked = queued()
    for left in (100, 0):
        [(function, arguments)] = asked
        assert Workflow.objects.count() == left + 100
        import_string(function)(*arguments)
        assert Workflow.objects.count() == left
        asked = queued()
    assert [arguments for _, arguments in asked] == [(7,)], "it cannot know that nothing is left"
    import_string(function)(7)
    assert queued() == []


def test_a_sweep_ends_before_the_next_one_however_much_is_left(monkeypatch):
    monkeypatch.setattr(cleanup, "SWEEP_SECONDS", 0.0)
    expired(1200)
    tasks.sweep()
    for _ in range(9):
        [(function, arguments)] = queued()
        import_string(function)(*arguments)
    assert queued() == []
    assert Workflow.objects.count() == 200


def test_a_sweep_of_a_cluster_that_stops_asks_for_nothing(monkeypatch):
    expired(300)
    monkeypatch.setattr(tasks, "stopping", lambda: True)
    tasks.sweep()
    assert Workflow.objects.count() == 200
    assert queued() == []
