"""Tasks of Django's Tasks on a real cluster: they run at once, after their commit, and outlive their worker."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.db import transaction

from tests.cluster import HARDENED, Cluster
from tests.q2.conftest import Log
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.skipif(not settings.TASKS_FRAMEWORK, reason="neither Django 6 nor django-tasks is here")

LONG_LEASE = {"LEASE": 300}
LOST = "django_workflows.exceptions.AttemptLost"


def ended(result: Any) -> Any:
    """The result, once the task has ended."""

    def is_finished() -> bool:
        result.refresh()
        return bool(result.is_finished)

    wait_for(is_finished, PATIENCE, message=f"{result.task.name} does not end")
    return result


def test_tasks_run_after_their_commit(cluster: Any, log: Log) -> None:
    from tests.app import tasks

    cluster()
    with transaction.atomic():
        result = tasks.note.enqueue(log.path, "x")
        other = tasks.double.enqueue(4)
        assert log.texts == []
    assert ended(result).return_value == "x"
    assert ended(other).return_value == 8
    assert ended(tasks.who.enqueue(1)).return_value[1:] == [1, "RUNNING", [1], [1], 1]
    assert result.worker_ids[0].split(":")[1] == str(log.notes[0].pid)


def test_async_tasks_wait_side_by_side_and_are_tried_again(cluster: Any) -> None:
    from tests.app import tasks

    cluster()
    many = tasks.wait_and_refuse_once.get_backend().enqueue_many(tasks.wait_and_refuse_once, [((0.5,), {})] * 40)
    for result in many:
        assert ended(result).return_value == [2, 1, True]
        assert result.attempts == 2
        assert all(result.worker_ids)
    # One after the other they would take 40 s in two workers.
    spans = [result.finished_at - result.started_at for result in many]
    assert max(result.finished_at for result in many) - min(result.started_at for result in many) < 4 * max(spans)


def test_a_task_in_a_module_that_no_worker_has_imported_is_found(cluster: Any) -> None:
    """Here it is imported by the test alone."""
    from tests.app.lonely import lonely

    cluster()
    assert ended(lonely.enqueue()).return_value == "found"


def test_a_task_whose_worker_dies_runs_again_with_retry(cluster: Any, log: Log) -> None:
    from tests.app import tasks

    killed: Cluster = cluster(command=HARDENED, workflows=LONG_LEASE)
    result = tasks.note_slowly_at_first.enqueue(log.path, "x", 60)
    begun = log.wait_for("begin-x-1")
    result.refresh()
    assert (result.status, result.attempts) == ("RUNNING", 1)
    killed.kill_worker(begun.pid)
    assert ended(result).return_value == 2
    assert log.texts == ["begin-x-1", "begin-x-2", "end-x-2"]
    assert result.attempts == 2
    assert [error.exception_class_path for error in result.errors] == [LOST]


def test_a_task_whose_worker_dies_fails_without_retry(cluster: Any, log: Log) -> None:
    from tests.app import tasks

    killed: Cluster = cluster(command=HARDENED, workflows=LONG_LEASE)
    result = tasks.note.enqueue(log.path, "x", 60)
    killed.kill_worker(log.wait_for("begin-x").pid)
    assert ended(result).status == "FAILED"
    assert log.texts == ["begin-x"]
    assert [error.exception_class_path for error in result.errors] == [LOST]
    assert "whether it had an effect is not known" in result.errors[0].traceback
