"""Starting: typed or by name, now or later, in the caller's transaction or in one of its own."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from django_workflows import (
    Completed,
    DefinitionNotFound,
    InProgress,
    InvalidArguments,
    PayloadTooLarge,
    WorkflowError,
    WorkflowNotFound,
)
from django_workflows.models import Step, Workflow
from django_workflows.store.database import now
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import advance, finish, run

workflow = flows.workflow


class Undone(Exception):
    pass


def test_a_started_workflow_runs_to_its_result():
    workflow_id = flows.sums.start([1, 2, 3])
    assert isinstance(workflow_id, UUID)
    assert workflow.status(workflow_id) == InProgress([])
    assert finish(workflow_id) == Completed(6)


def test_keyword_arguments_are_taken():
    assert finish(flows.sums.start(numbers=[4])) == Completed(4)


def test_starting_by_name_takes_arguments_as_json_has_them():
    instant, ident = datetime(2026, 1, 1, tzinfo=UTC), uuid4()
    arguments = {"when": "2026-01-01T00:00:00Z", "amount": "1.50", "ident": str(ident)}
    workflow_id = workflow.start("tests.app.workflows.typed", arguments)
    assert finish(workflow_id) == Completed((instant, Decimal("1.50"), ident))


def test_starting_a_definition_with_a_dict_is_starting_by_name():
    assert finish(workflow.start(flows.sums, {"numbers": [1]})) == Completed(1)


def test_defaults_are_stored_so_that_a_later_default_changes_nothing():
    workflow_id = flows.fails.start()
    assert Workflow.objects.get(id=workflow_id).args == '{"message":"broken"}'


@pytest.mark.parametrize(
    "start",
    [
        lambda: flows.sums.start(["x"]),
        lambda: flows.sums.start(),
        lambda: flows.sums.start([1], 2),
        lambda: flows.sums.start(nombers=[1]),
        lambda: flows.sums.with_options(idempotency_key="k").start("no list"),
        lambda: workflow.start("tests.app.workflows.sums", {"numbers": [1], "more": 2}),
        lambda: workflow.start("tests.app.workflows.sums", ["not", "named"]),
        lambda: workflow.start("tests.app.workflows.sums"),
    ],
)
def test_arguments_that_do_not_fit_store_nothing(start):
    with pytest.raises(InvalidArguments, match=r"tests\.app\.workflows\.sums"):
        start()
    assert not Workflow.objects.exists()


def test_bad_arguments_are_listed_one_by_one():
    with pytest.raises(InvalidArguments) as caught:
        flows.sums.start([1, "x", "y"])
    assert [error["loc"] for error in caught.value.errors] == [["numbers", 1], ["numbers", 2]]


def test_arguments_that_are_too_large_store_nothing(settings):
    settings.DJANGO_WORKFLOWS = {"MAX_PAYLOAD_BYTES": 100}
    with pytest.raises(PayloadTooLarge, match=r"arguments of tests\.app\.workflows\.fails: .* bytes"):
        flows.fails.start("x" * 101)
    assert not Workflow.objects.exists()


def test_an_unknown_name_is_an_error_with_the_nearest_one():
    with pytest.raises(DefinitionNotFound, match=r"Did you mean tests\.app\.workflows\.sums"):
        workflow.start("tests.app.workflows.sum", {"numbers": []})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"idempotency": "k"}, "unknown option 'idempotency'; there are on_complete"),
        ({"run_at": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001 - that is the point
        ({"run_after": -1}, "run_after: must lie between"),
        ({"run_after": "1 day"}, "run_after: a timedelta or a number of seconds"),
        ({"run_at": datetime(2026, 1, 1, tzinfo=UTC), "run_after": 1}, "exclude each other"),
        ({"start_async": False, "run_after": 1}, "start_async=False"),
        ({"idempotency_key": ""}, "idempotency_key: 1 to 200 printable characters"),
        ({"idempotency_key": "x" * 201}, "idempotency_key: 1 to 200 printable characters"),
        ({"idempotency_key": "nul \x00"}, "idempotency_key: 1 to 200 printable characters"),
        ({"idempotency_key": 7}, "idempotency_key: 1 to 200 printable characters"),
        ({"priority": 101}, "priority must be an int"),
        ({"priority": "high"}, "priority must be an int"),
        ({"priority": 0.5}, "priority must be an int"),
        ({"queue": ""}, "queue: 1 to 200 printable characters"),
        ({"retain_for": float("nan")}, "retain_for: must lie between"),
        ({"on_complete": "tests.app.nowhere.function"}, "on_complete: .* cannot be imported"),
        ({"on_complete": "tests.app.steps.calls"}, "on_complete: .* is not a function"),
        ({"on_complete": lambda *args: None}, "on_complete: .* is a lambda"),
        ({"context": object()}, "context of tests.app.workflows.nothing"),
        ({"context": float("nan")}, "context of tests.app.workflows.nothing"),
    ],
)
def test_a_bad_option_is_an_error_and_stores_nothing(options, message):
    with pytest.raises(WorkflowError, match=message):
        flows.nothing.with_options(**options).start()
    with pytest.raises(WorkflowError, match=message):
        workflow.start("tests.app.workflows.nothing", **options)
    assert not Workflow.objects.exists()


def test_options_chain_and_later_ones_win():
    bound = flows.nothing.with_options(priority=1, context={"user": 7})
    workflow_id = bound.with_options(priority=2).start()
    stored = Workflow.objects.get(id=workflow_id)
    assert (stored.priority, stored.context) == (2, '{"user":7}')
    assert Workflow.objects.get(id=bound.start()).priority == 1


def test_run_after_overrides_an_earlier_run_at():
    bound = flows.nothing.with_options(run_at=now() + timedelta(days=9))
    workflow_id = bound.with_options(run_at=None, run_after=60).start()
    assert finish(workflow_id) == Completed("done")


def test_a_rollback_leaves_nothing():
    with pytest.raises(Undone), transaction.atomic():
        workflow_id = flows.sums.start([1])
        assert workflow.status(workflow_id) == InProgress([])
        raise Undone
    assert not Workflow.objects.exists()
    with pytest.raises(WorkflowNotFound):
        workflow.status(workflow_id)
    assert run() == 0


def test_a_rolled_back_savepoint_takes_its_start_along():
    with transaction.atomic():
        with pytest.raises(Undone), transaction.atomic():
            flows.sums.start([1])
            raise Undone
        kept = flows.sums.start([2])
    assert list(workflow.list().values_list("id", flat=True)) == [kept]


def test_nothing_runs_before_the_commit(elsewhere):
    with transaction.atomic():
        workflow_id = flows.sums.start([1, 2])
        if elsewhere.may_read_beside_a_writer:
            assert elsewhere(run) == 0
            assert elsewhere(Workflow.objects.count) == 0
    assert steps.calls == []
    assert finish(workflow_id) == Completed(3)


def test_a_later_start_waits_for_its_time():
    workflow_id = flows.nothing.with_options(run_after=timedelta(hours=1)).start()
    assert run() == 0
    advance(timedelta(minutes=59))
    assert run() == 0
    advance(timedelta(minutes=1))
    assert run() == 1
    assert workflow.status(workflow_id) == Completed("done")


def test_a_start_at_an_instant_waits_for_it():
    workflow_id = flows.nothing.with_options(run_at=now() + timedelta(days=1)).start()
    assert run() == 0
    advance(timedelta(days=1))
    run()
    assert workflow.status(workflow_id) == Completed("done")


def test_a_start_at_a_past_instant_begins_at_once():
    workflow_id = flows.nothing.with_options(run_at=datetime(2001, 1, 1, tzinfo=UTC)).start()
    run()
    assert workflow.status(workflow_id) == Completed("done")


def test_ids_sort_by_the_time_of_their_start():
    started = [flows.nothing.start() for _ in range(20)]
    assert started == sorted(started)
    assert list(workflow.list().values_list("id", flat=True)) == started[::-1]


def test_a_handler_without_steps_needs_one_turn():
    flows.nothing.start()
    assert run() == 1
    assert not Step.objects.exists()
