"""Model instances as arguments and results."""

import json

import pytest

from django_workflows import Completed, InProgress, InvalidArguments
from tests.app.models import Counter, Effect
from tests.app.workflows import doubles, workflow
from tests.engine.driver import finish, run


@pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])
def test_an_instance_is_stored_by_its_key_and_fetched_when_used(replaying: bool) -> None:
    counter = Counter.objects.create(name="a", value=4)
    workflow_id = doubles.start(counter)
    Counter.objects.update(value=5)
    assert json.loads(workflow.list().get().args) == {"counter": {"model": "tests_app.counter", "pk": str(counter.pk)}}
    assert finish(workflow_id, replaying=replaying) == Completed(10)


def test_by_name_the_primary_key_is_enough() -> None:
    counter = Counter.objects.create(name="a", value=4)
    assert finish(workflow.start(doubles.name, {"counter": counter.pk})) == Completed(8)


@pytest.mark.parametrize("wrong", [Counter(name="unsaved"), "text", None, 4])
def test_what_is_no_saved_instance_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidArguments, match=r"counter"):
        doubles.start(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments, match=r"Counter"):
        doubles.start(Effect.objects.create(key="a"))  # type: ignore[arg-type]
    assert not workflow.list().exists()


def test_a_row_that_is_gone_parks_the_workflow_with_a_reason() -> None:
    counter = Counter.objects.create(name="a", value=4)
    workflow_id = doubles.start(counter)
    counter.delete()
    run()
    status = workflow.status(workflow_id)
    assert isinstance(status, InProgress)
    assert "no tests_app.Counter with primary key" in status.problem
    workflow.cancel(workflow_id, force=True)
