"""The same ``idempotency_key`` twice is one workflow."""

import pytest
from django.db import transaction

from django_workflows import Completed
from django_workflows.models import Workflow
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import finish, run

workflow = flows.workflow


def test_the_second_start_gives_the_first_id():
    first = flows.sums.with_options(idempotency_key="order-17").start([1])
    assert flows.sums.with_options(idempotency_key="order-17").start([2]) == first
    assert finish(first) == Completed(1)
    assert flows.sums.with_options(idempotency_key="order-17").start([3]) == first, "also when it has ended"
    assert Workflow.objects.count() == 1


def test_by_name_it_is_the_same():
    first = flows.sums.with_options(idempotency_key="k").start([1])
    assert workflow.start("tests.app.workflows.sums", {"numbers": [2]}, idempotency_key="k") == first


def test_another_key_or_another_definition_is_another_workflow():
    first = flows.sums.with_options(idempotency_key="k").start([1])
    assert flows.sums.with_options(idempotency_key="K").start([1]) != first
    assert flows.parallel.with_options(idempotency_key="k").start(1) != first
    assert flows.sums.start([1]) != first


def test_a_key_is_free_again_after_a_rollback_and_after_a_clean_up():
    with transaction.atomic():
        undone = flows.sums.with_options(idempotency_key="k").start([1])
        transaction.set_rollback(True)
    first = flows.sums.with_options(idempotency_key="k").start([1])
    assert first != undone
    finish(first)
    workflow.cleanup(first)
    assert flows.sums.with_options(idempotency_key="k").start([1]) not in (first, undone)


def test_bad_arguments_do_not_take_the_key():
    with pytest.raises(Exception, match="numbers"):
        flows.sums.with_options(idempotency_key="k").start("x")
    assert finish(flows.sums.with_options(idempotency_key="k").start([1])) == Completed(1)


def test_threads_that_start_at_once_get_one_id(elsewhere):
    def start():
        return flows.sums.with_options(idempotency_key="k").start([1, 2])

    started = elsewhere.together([start] * 12)
    assert len(set(started)) == 1
    assert finish(started[0]) == Completed(3)
    assert len(steps.calls) == 2


def test_threads_that_start_at_once_in_transactions_get_one_id(elsewhere):
    def start():
        with transaction.atomic():
            return flows.inline_mutations.with_options(idempotency_key="k", start_async=False).start("k", 1)

    started = elsewhere.together([start] * 6)
    assert len(set(started)) == 1
    assert workflow.status(started[0]) == Completed(1)
    assert run() == 0
