"""Many starts at once: as if each had been started by itself, all or none."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import transaction

from django_workflows import Completed, InvalidArguments
from django_workflows.models import Workflow
from django_workflows.store import database
from tests.app import workflows as flows
from tests.engine.driver import run

workflow = flows.workflow


@pytest.fixture
def frozen_clock() -> Iterator[None]:
    database.frozen_at = datetime(2029, 12, 31, tzinfo=UTC)
    database.clock.forget()
    yield
    database.frozen_at = None
    database.clock.forget()


def test_each_is_a_workflow_with_its_own_arguments_in_order():
    ids = flows.sums.start_many([([1, 2],), {"numbers": [3]}, [[4, 5]]])
    run()
    assert [workflow.status(each) for each in ids] == [Completed(3), Completed(3), Completed(9)]


def test_thousands_are_stored_in_order():
    ids = flows.sums.start_many([([number],) for number in range(2500)])
    assert len(set(ids)) == 2500
    stored = Workflow.objects.order_by("id").values_list("id", "args")
    assert list(stored) == [(each, f'{{"numbers":[{number}]}}') for number, each in enumerate(ids)]
    Workflow.objects.all().delete()


def test_one_bad_item_is_named_and_nothing_is_stored():
    with pytest.raises(InvalidArguments, match="item 1"):
        flows.sums.start_many([([1],), ("no list",)])
    with pytest.raises(InvalidArguments, match="item 0: a tuple, list or dict"):
        flows.sums.start_many(["text"])
    with pytest.raises(InvalidArguments, match="item 0"):
        workflow.start_many(flows.sums.name, [[1]])
    assert not Workflow.objects.exists()


def test_a_key_gives_the_first_one_also_within_the_batch():
    first = flows.sums.with_options(idempotency_key="a").start([1])
    ids = flows.sums.start_many([([2],), ([3],), ([4],), ([5],)], idempotency_keys=["a", "b", "b", None])
    assert ids[0] == first
    assert ids[1] == ids[2]
    assert len(set(ids)) == 3
    assert Workflow.objects.count() == 3


def test_by_name_with_options_for_all():
    ids = workflow.start_many(flows.sums.name, [{"numbers": [1]}, {"numbers": [2]}], priority=7)
    assert set(Workflow.objects.values_list("id", "priority")) == {(each, 7) for each in ids}
    run()
    assert [workflow.status(each) for each in ids] == [Completed(1), Completed(2)]


@pytest.mark.parametrize("words", ["NULL", '"', "\\", '\\"}', "{a,b}", "", " ", "\N{SNOWMAN}'", "%s"])
@pytest.mark.parametrize(
    "options",
    [
        {"run_at": datetime(2030, 1, 1, 12, 30, 0, 123456, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))},
        {"run_after": 0.000001, "priority": -3, "queue": 'a queue, {with} "marks"'},
        {"run_after": 90, "retain_for": timedelta(days=3, microseconds=1)},
        {"retain_for": timedelta(days=5000 * 365)},
    ],
)
def test_each_is_stored_as_if_it_were_started_by_itself(words, options, frozen_clock):
    bound = flows.echoes.with_options(context={words: words}, **options)
    ids = [bound.start(words), *bound.start_many([(words,)] * 2, idempotency_keys=[words or None, None])]
    own = {"id", "idempotency_key", "trace"}  # each start is a span of its own, if another test has it traced
    fields = [each.name for each in Workflow._meta.concrete_fields if each.name not in own]
    first, *others = Workflow.objects.filter(id__in=ids).order_by("id").values_list(*fields)
    assert others == [first, first]
    assert json.loads(Workflow.objects.get(id=ids[0]).args) == {"value": words}


def test_it_is_part_of_the_callers_transaction():
    with transaction.atomic():
        flows.sums.start_many([([1],)] * 3)
        transaction.set_rollback(True)
    assert not Workflow.objects.exists()


def test_none_is_fine():
    assert flows.sums.start_many([]) == []


@pytest.mark.parametrize("options", [{"key": "k"}, {"idempotency_key": "k"}, {"start_async": False}])
def test_what_is_said_of_one_workflow_is_refused(options):
    with pytest.raises(InvalidArguments, match="start_many"):
        flows.sums.with_options(**options).start_many([([1],)])


def test_keys_must_be_as_many_as_items():
    with pytest.raises(InvalidArguments, match="as many idempotency_keys"):
        flows.sums.start_many([([1],)], idempotency_keys=["a", "b"])
