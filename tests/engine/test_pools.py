"""``max_parallelism``: how many steps of a manager run at once, whoever runs them."""

from uuid import UUID

from django_workflows import Canceled, Completed
from django_workflows.core.journal import ClaimedStep
from django_workflows.core.registry import registry
from django_workflows.engine.advance import take_turn
from django_workflows.engine.run_step import run_step
from django_workflows.models import Pool
from django_workflows.store import steps as step_store
from tests.app.workflows import limited_parallel, workflow
from tests.engine.driver import finish, run


def claim() -> ClaimedStep | None:
    return step_store.claim("", "somebody", registry.pools)


def started(count: int) -> UUID:
    """A workflow that has asked for ``count`` steps, of which none was claimed."""
    workflow_id = limited_parallel.start(count)
    take_turn(workflow_id, None, None)
    return workflow_id


def waiting(workflow_id: UUID) -> int:
    return workflow.steps(workflow_id).filter(state="queued", due_at=None).count()


def test_no_more_steps_run_at_once_than_the_limit_allows() -> None:
    workflow_id = started(5)
    assert claim() is not None
    assert claim() is not None
    assert claim() is None
    assert workflow.steps(workflow_id).filter(state="running").count() == 2


def test_a_step_that_waits_for_a_place_costs_nothing() -> None:
    workflow_id = started(5)
    for _ in range(3):
        claim()
    assert waiting(workflow_id) == 3


def test_a_step_that_ends_gives_its_place_to_the_next() -> None:
    workflow_id = started(3)
    first, _, none = claim(), claim(), claim()
    assert first is not None
    assert none is None
    run_step(first, None)
    third = claim()
    assert third is not None
    assert third.number == 2
    assert third.attempt == 1
    assert waiting(workflow_id) == 0


def test_all_steps_get_their_turn_in_the_end() -> None:
    workflow_id = limited_parallel.start(12)
    assert finish(workflow_id) == Completed(sum(range(1, 13)))
    assert set(workflow.steps(workflow_id).values_list("attempt", flat=True)) == {1}


def test_a_canceled_workflow_gives_its_places_back() -> None:
    first = started(4)
    for _ in range(3):
        claim()
    second = started(1)
    assert claim() is None
    workflow.cancel(first)
    assert workflow.status(first) == Canceled()
    assert finish(second) == Completed(1)


def test_the_limit_in_the_database_overrides_that_of_the_code() -> None:
    Pool.objects.create(name="tests.limited", max_parallelism=3)
    started(5)
    assert [claim() is not None for _ in range(4)] == [True, True, True, False]


def test_a_step_whose_worker_died_takes_its_place_again() -> None:
    workflow_id = started(2)
    claim()
    claim()
    workflow.steps(workflow_id).update(due_at="2020-01-01T00:00:00Z")
    again = claim()
    assert again is not None
    assert again.lost == 1
    run()
