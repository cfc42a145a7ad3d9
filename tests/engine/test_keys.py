"""``key``: one running workflow per definition and key."""

import pytest

from django_workflows import InvalidArguments, WorkflowAlreadyRunning
from tests.app.workflows import asks_approval, nothing, workflow
from tests.engine.driver import finish


def test_starting_again_returns_the_one_that_runs() -> None:
    first = asks_approval.with_options(key="order-17").start()
    assert asks_approval.with_options(key="order-17").start() == first
    assert workflow.list().count() == 1


def test_starting_again_raises_if_asked() -> None:
    asks_approval.with_options(key="order-17").start()
    with pytest.raises(WorkflowAlreadyRunning, match="order-17"):
        asks_approval.with_options(key="order-17", if_running="raise").start()
    assert workflow.list().count() == 1


def test_other_keys_and_definitions_are_free() -> None:
    ids = {
        asks_approval.with_options(key="a").start(),
        asks_approval.with_options(key="b").start(),
        nothing.with_options(key="a").start(),
    }
    assert len(ids) == 3


def test_a_key_is_free_again_once_its_workflow_ended() -> None:
    first = nothing.with_options(key="a").start()
    finish(first)
    assert nothing.with_options(key="a").start() != first


def test_a_restart_does_not_take_a_key_that_another_has() -> None:
    first = nothing.with_options(key="a").start()
    finish(first)
    nothing.with_options(key="a").start()
    with pytest.raises(WorkflowAlreadyRunning):
        workflow.restart(first)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(InvalidArguments, match="if_running"):
        nothing.with_options(key="a", if_running="wait")
