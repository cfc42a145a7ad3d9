"""``run``: what is due, in order, in this transaction, until nothing is."""

import pytest
from django.db import connection, transaction

from django_workflows import Canceled, Completed, Failed, InProgress
from django_workflows.engine import finish
from django_workflows.engine.live import live_handlers
from django_workflows.testing import NoRest, StepNotWritten, WorkflowBlocked
from tests.app.models import Effect
from tests.promises import promise
from tests.testing import shop
from tests.testing.shop import (
    add,
    counting_turns,
    elsewhere,
    endless,
    every_minute,
    long_chain,
    onboarding,
    saved_keys,
    saving,
    swallowing,
    tidying,
    two_timers,
    wide,
    workflow,
    writing_in_a_query,
)


@pytest.fixture(
    params=[
        pytest.param("db", marks=pytest.mark.django_db),
        pytest.param("transactional_db", marks=pytest.mark.django_db(transaction=True)),
    ],
    autouse=True,
)
def database(request):
    return request.param


def test_nothing_to_do(workflows):
    assert workflows.run() == 0


def test_it_returns_the_number_of_pieces(workflows):
    long_chain.start(3)
    assert workflows.run() == 4 + 3
    assert workflows.run() == 0


def test_everything_stays_in_the_tests_transaction(workflows, database):
    workflow_id = long_chain.start(2)
    workflows.run()
    assert workflow.status(workflow_id) == Completed(1)
    assert connection.in_atomic_block is (database == "db")


def test_no_handler_is_kept_so_every_turn_replays(workflows):
    onboarding.start(1)
    workflows.fake(shop.send_email, returns="sent")
    workflows.run()
    assert len(live_handlers) == 0


def test_two_hundred_steps_are_not_slow(workflows):
    workflow_id = long_chain.start(200)
    with promise(10):
        assert workflows.run() == 401
    assert workflow.status(workflow_id) == Completed(19900)


def test_many_steps_side_by_side(workflows):
    workflow_id = wide.start(200)
    workflows.run()
    assert workflow.status(workflow_id) == Completed(20100)
    assert [made.args[0] for made in workflows.calls(add)] == list(range(200))


def test_the_order_is_the_same_each_time(workflows):
    orders = []
    for _ in range(2):
        for count in (3, 2):
            wide.start(count)
            long_chain.start(count)
        before = len(workflows.calls(add))
        workflows.run()
        orders.append(workflows.calls(add)[before:])
    assert orders[0] == orders[1]
    assert len(orders[0]) == 10


def test_other_queues_and_priorities_are_served_too(workflows):
    workflow_id = elsewhere.start()
    workflows.run()
    assert workflow.status(workflow_id) == Completed(1)
    workflow.restart(workflow_id, from_step=0)
    workflows.run()
    assert workflow.status(workflow_id) == Completed(1)


def test_a_workflow_that_never_rests(workflows):
    workflow_id = endless.start()
    with pytest.raises(NoRest) as caught:
        workflows.run(limit=20)
    assert "20 pieces of work were done, and more is due" in str(caught.value)
    assert f"{endless.name} ({workflow_id})" in str(caught.value)
    assert 8 <= len(workflows.calls(add)) <= 12
    with pytest.raises(NoRest):
        workflows.run(limit=0)


def test_exactly_the_limit_is_enough(workflows):
    long_chain.start(5)
    assert workflows.run(limit=11) == 11


def test_timers_do_not_end_by_themselves(workflows):
    workflow_id = every_minute.start()
    assert workflows.run() == 1
    assert workflows.run() == 0
    assert workflow.status(workflow_id) == InProgress(running=["sleep"])


def test_a_failing_workflow(workflows):
    workflow_id = onboarding.start(1)
    workflows.fake(shop.send_email, raises=ValueError("no"))
    workflows.run()
    workflows.advance(3600)
    assert workflow.status(workflow_id) == Failed("no")


def test_code_that_differs_from_turn_to_turn_is_shown(workflows):
    workflow_id = counting_turns.start()
    with pytest.raises(WorkflowBlocked) as caught:
        workflows.run()
    assert f"{counting_turns.name} ({workflow_id}) is blocked (code_mismatch)" in str(caught.value)
    assert 'step 0: the journal recorded action tests.testing.shop.add {"a":1,"b":1}' in str(caught.value)


def test_a_workflow_may_be_blocked_if_the_test_wants_it(workflows):
    workflow_id = counting_turns.start()
    workflows.run(blocked=True)
    assert "the journal recorded" in workflow.status(workflow_id).blocked.message


def test_cancel_and_its_clean_up_steps(workflows):
    workflow_id = tidying.start("k")
    workflows.run()
    workflow.cancel(workflow_id)
    workflows.run()
    assert workflow.status(workflow_id) == Canceled()
    assert saved_keys() == ["k-1", "k-2"]


def test_a_handler_with_clean_up_in_subtasks_is_set_aside_without_warnings(workflows):
    import gc

    tidying.start("k")
    two_timers.start()
    workflows.run()
    workflows.advance(1)
    gc.collect()


def test_errors_inside_the_tests_transaction_break_no_more_than_outside(workflows, database):
    """An action's writes before its error stay, as they do without a transaction around it."""
    workflow_id = saving.start("k")
    workflows.run()
    status = workflow.status(workflow_id)
    # A statement that breaks the test's own transaction takes with it what that action wrote before.
    survived = [] if database == "db" else ["k-action"]
    assert status == Completed([*survived, "k-inline", "k-kept"])
    assert saved_keys() == [*survived, "k-inline", "k-kept", "k-last"]


def test_an_action_that_swallows_a_database_error(workflows):
    workflow_id = swallowing.start("k")
    workflows.run()
    assert workflow.status(workflow_id) == Completed("swallowed")
    assert Effect.objects.count() <= 1


def test_a_query_cannot_write_and_the_test_can_afterwards(workflows):
    workflow_id = writing_in_a_query.start("k")
    workflows.run()
    assert workflow.status(workflow_id).type == "failed"
    assert saved_keys() == []
    shop.save("afterwards")
    assert saved_keys() == ["afterwards"]


def test_on_complete(workflows):
    workflow_id = long_chain.with_options(on_complete=shop.completed, context="c").start(1)
    workflows.run()
    assert workflow.status(workflow_id) == Completed(0)
    assert saved_keys() == ["completed c"]


def test_an_end_that_cannot_be_written_is_no_secret(workflows, monkeypatch):
    def fail(*args):
        raise ZeroDivisionError("in the store")

    monkeypatch.setattr(finish, "step_end", fail)
    long_chain.start(1)
    with pytest.raises(StepNotWritten, match=r"the end of step 0 \(tests.testing.shop.add\)") as caught:
        workflows.run()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_started_inside_a_block_of_the_test(workflows):
    with transaction.atomic():
        workflow_id = long_chain.with_options(start_async=False).start(2)
        assert workflow.status(workflow_id) == InProgress(running=["tests.testing.shop.add"])
        workflows.run()
    assert workflow.status(workflow_id) == Completed(1)


def test_ctrl_c_in_a_step_ends_the_test(workflows):
    workflows.fake(add, raises=KeyboardInterrupt)
    long_chain.start(1)
    with pytest.raises(KeyboardInterrupt):
        workflows.run()


def test_a_skip_or_failure_of_pytests_passes_through_a_step(workflows):
    workflows.fake(add, calls=lambda a, b: pytest.skip("not here"))
    long_chain.start(1)
    with pytest.raises(pytest.skip.Exception):
        workflows.run()
