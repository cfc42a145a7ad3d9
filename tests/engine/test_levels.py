"""The first claim after a pause does not wait for the look-up of the priorities in use, and misses none of them."""

import pytest
from django.db import connection

from django_workflows.store import workflows as workflow_store
from tests.app import workflows as flows


@pytest.fixture
def looked_up():
    """The look-ups of levels; what is known of them was looked up too long ago."""
    seen = []

    def watch(execute, sql, params, many, context):
        if "RECURSIVE" in sql:
            seen.append(sql)
        return execute(sql, params, many, context)

    workflow_store.levels._known.clear()
    workflow_store.levels._overdue.clear()
    assert workflow_store.claim_turn("", "worker") is None
    age()
    with connection.execute_wrapper(watch):
        yield seen
    workflow_store.levels._known.clear()


def age():
    known = workflow_store.levels._known
    known.update({key: (read_at - 10, found) for key, (read_at, found) in known.items()})


def forget(priority):
    """As if another process had begun to use that level."""
    known = workflow_store.levels._known
    known.update({key: (at, tuple(each for each in found if each != priority)) for key, (at, found) in known.items()})


def test_what_is_due_at_a_known_level_is_claimed_at_once(looked_up):
    flows.sums.start([1])
    assert workflow_store.claim_turn("", "worker")
    assert not looked_up
    assert workflow_store.claim_turn("", "worker") is None
    assert len(looked_up) == 1, "the next claim looks"
    assert workflow_store.claim_turn("", "worker") is None
    assert len(looked_up) == 1, "and then none for a second"


@pytest.mark.parametrize("priority", [-5, 5])
def test_what_is_due_at_an_unknown_level_is_found_by_the_same_claim(looked_up, priority):
    workflow_id = flows.sums.with_options(priority=priority).start([1])
    forget(priority)
    claimed = workflow_store.claim_turn("", "worker")
    assert claimed is not None
    assert claimed.id == workflow_id
    assert len(looked_up) == 1


def test_work_at_known_levels_hides_a_higher_one_for_one_claim_only(looked_up):
    for _ in range(3):
        flows.sums.start([1])
    urgent = flows.sums.with_options(priority=7).start([1])
    forget(7)
    first, second = workflow_store.claim_turn("", "worker"), workflow_store.claim_turn("", "worker")
    assert first is not None and first.id != urgent  # noqa: PT018
    assert second is not None and second.id == urgent  # noqa: PT018
