"""Model instances as arguments and results: whose row is meant, and what a workflow function may see of it."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NewType
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connections
from django.db.models import Model, QuerySet
from django.utils.functional import SimpleLazyObject

from django_workflows import (
    Completed,
    Failed,
    InProgress,
    InvalidArguments,
    InvalidStep,
    StepFailed,
    SuccessResult,
    WorkflowContext,
    define_event,
)
from django_workflows.core.logic import INSTANCE_REFERENCES
from django_workflows.core.signatures import Signature
from django_workflows.engine.instances import InstanceReference
from django_workflows.models import Step, Workflow
from tests.app.models import Counter, CounterProxy, Effect, Seat, Ticket, Upwards
from tests.app.workflows import doubles, workflow
from tests.engine.driver import advance, become_another_process, finish, reset_clock, run
from tests.engine.replays import assert_replays

BOTH = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    yield
    reset_clock()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[str]:
    """A second database, with a table of counters."""
    connections.settings["other"] = connections.configure_settings(
        {"default": {}, "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "other.sqlite3")}}
    )["other"]
    added: Any = connections["other"]
    # Django's test cases refuse databases that were not there when the tests began.
    added.ensure_connection = lambda: None if added.connection else added.connect()
    with added.schema_editor() as editor:
        editor.create_model(Counter)
    try:
        yield "other"
    finally:
        connections["other"].close()
        del connections.settings["other"]
        del connections["other"]


# -- step functions


def name_of(counter: Counter) -> str:
    return f"{counter.name} on {counter._state.db}"


def same(counter: Counter) -> Counter:
    return counter


def from_other(key: int) -> Counter:
    return Counter.objects.using("other").get(pk=key)


def value_of(counter: Counter) -> int:
    return counter.value


def fetch(ident: int) -> Counter:
    return Counter.objects.get(pk=ident)


def subject_of(ticket: Ticket) -> str:
    return ticket.subject


def is_taken(seat: Seat) -> bool:
    return seat.taken


def label(thing: Counter | Ticket) -> str:
    return thing._meta.label


def untyped(counter):  # type: ignore[no-untyped-def]
    return 1


# -- workflows

chosen = define_event("instances: chosen", Counter)
completed: list[object] = []


def note(workflow_id: UUID, result: object, context: object) -> None:
    completed.append(result)


@workflow.define(name="instances: whose")
async def whose(step: WorkflowContext, counter: Counter) -> list[str]:
    returned = await step.run_query(same, counter)
    again = await step.run_mutation(same, returned)
    return [await step.run_query(name_of, each) for each in (counter, returned, again)]


@workflow.define(name="instances: reads other")
async def reads_other(step: WorkflowContext, key: int) -> str:
    return await step.run_query(name_of, await step.run_query(from_other, key))


@workflow.define(name="instances: waits")
async def waits(step: WorkflowContext, counter: Counter) -> str:
    assert isinstance(counter, Counter), "as its annotation says"
    await step.sleep(60)
    try:
        return f"{counter.pk}: {await step.run_query(value_of, counter)}"
    except StepFailed as error:
        assert error.caused_by(Counter.DoesNotExist)
        return f"{counter.id} is gone: {error.message}"


@workflow.define(name="instances: result waits")
async def result_waits(step: WorkflowContext, key: int) -> str:
    counter = await step.run_query(fetch, key)
    assert isinstance(counter, Counter)
    await step.sleep(60)
    try:
        return str(await step.run_query(value_of, counter))
    except StepFailed as error:
        return f"gone: {error.caused_by(Counter.DoesNotExist)}"


@workflow.define(name="instances: looks inside")
async def looks_inside(step: WorkflowContext, counter: Counter) -> int:
    return counter.value


@workflow.define(name="instances: returns one")
async def returns_one(step: WorkflowContext, counter: Counter) -> Counter:
    return counter


@workflow.define(name="instances: parent")
async def parent(step: WorkflowContext, counter: Counter) -> int:
    return await step.run_query(value_of, await step.run_workflow(returns_one, counter))


@workflow.define(name="instances: event")
async def awaits_one(step: WorkflowContext) -> int:
    return await step.run_query(value_of, await step.await_event(chosen))


@workflow.define(name="instances: continues")
async def continues(step: WorkflowContext, counter: Counter, rounds: int) -> int:
    if rounds:
        step.continue_as_new(counter, rounds - 1)
    return await step.run_query(value_of, counter)


@workflow.define(name="instances: branches")
async def branches(step: WorkflowContext, counter: Counter) -> str:
    """As code of before this issue may look: it goes by what the row says."""
    before = counter.value
    await step.sleep(60)
    return await step.with_options(name=f"by {before}").run_query(name_of, counter)


@workflow.define(name="instances: ticket")
async def ticket_subject(step: WorkflowContext, ticket: Ticket) -> str:
    assert str(ticket) == f"ticket {ticket.id}", "a text that needs nothing but the key"
    return await step.run_query(subject_of, ticket)


@workflow.define(name="instances: seat")
async def seat_taken(step: WorkflowContext, seat: Seat) -> bool:
    assert (seat.pk, seat.row, seat.place) == ((1, "b"), 1, "b")
    return await step.run_query(is_taken, seat)


@workflow.define(name="instances: labels")
async def labels(step: WorkflowContext, thing: Counter | Ticket | None) -> str:
    return "none" if thing is None else await step.run_query(label, thing)


@workflow.define(name="instances: user")
async def user_key(step: WorkflowContext, user: User) -> int:
    return user.pk


@workflow.define(name="instances: untyped step")
async def to_untyped(step: WorkflowContext, counter: Counter) -> int:
    return await step.run_query(untyped, counter)


# -- what is stored


@BOTH
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


def test_an_unsaved_row_with_a_key_of_its_own_making_is_refused_and_a_deleted_one_too() -> None:
    with pytest.raises(InvalidArguments, match="this tests_app.Ticket is not in the database: save it first"):
        ticket_subject.start(Ticket(subject="x"))
    counter = Counter.objects.create(name="a")
    counter.delete()
    with pytest.raises(InvalidArguments, match="Was it deleted"):
        doubles.start(counter)


@BOTH
def test_models_of_every_shape(replaying: bool) -> None:
    ticket = Ticket.objects.create(subject="late")
    assert finish(ticket_subject.start(ticket), replaying=replaying) == Completed("late")
    seat = Seat.objects.create(row=1, place="b", taken=True)
    assert finish(seat_taken.start(seat), replaying=replaying) == Completed(True)
    upwards = Upwards.objects.create(name="up", value=2, step=3)
    assert finish(waits.start(upwards), replaying=replaying) == Completed(f"{upwards.pk}: 2")
    proxy = CounterProxy.objects.create(name="proxy", value=7)
    assert finish(waits.start(proxy), replaying=replaying) == Completed(f"{proxy.pk}: 7")
    deferred = Counter.objects.only("name").get(pk=proxy.pk)
    assert finish(waits.start(deferred), replaying=replaying) == Completed(f"{proxy.pk}: 7")
    for thing, expected in ((ticket, "tests_app.Ticket"), (proxy, "tests_app.CounterProxy"), (None, "none")):
        assert finish(labels.start(thing), replaying=replaying) == Completed(expected)


def test_the_user_of_a_request_is_taken_and_an_anonymous_one_refused() -> None:
    user = User.objects.create(username="u")
    assert finish(user_key.start(SimpleLazyObject(lambda: user))) == Completed(user.pk)  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments, match=r"'user': an instance of auth.User is needed, not AnonymousUser"):
        user_key.start(SimpleLazyObject(AnonymousUser))  # type: ignore[arg-type]


Named = NewType("Named", Counter)


@pytest.mark.parametrize("annotation", [Counter, Counter | None, Annotated[Counter, "x"], Named, Counter | Ticket])
def test_annotations_that_mean_an_instance(annotation: object) -> None:
    counter = Counter.objects.create(name="a")

    def fn(value): ...  # type: ignore[no-untyped-def]

    fn.__annotations__["value"] = annotation
    signature = Signature(fn)
    text = signature.encode_arguments((counter,), {}, what="x", max_bytes=1000, apply_defaults=True)
    assert signature.decode_arguments(text) == ((), {"value": counter})
    reference = signature.decode_arguments(text, for_workflows=True)[1]["value"]
    assert type(reference) is InstanceReference


@pytest.mark.parametrize("annotation", [list[Counter], dict[str, Counter | None], QuerySet[Counter]])
def test_instances_inside_of_something_are_refused_with_what_to_write(annotation: object) -> None:
    def fn(value): ...  # type: ignore[no-untyped-def]

    fn.__annotations__["value"] = annotation
    with pytest.raises(InvalidStep, match=r"parameter 'value'.*Pass the primary keys of several, as list\[int\]"):
        Signature(fn).encode_arguments(([],), {}, what="x", max_bytes=1000, apply_defaults=True)


# -- which database


@BOTH
def test_an_instance_keeps_its_database(other: str, replaying: bool) -> None:
    ours = Counter.objects.create(name="ours")
    theirs = Counter.objects.using(other).create(pk=ours.pk, name="theirs")
    workflow_id = whose.start(theirs)
    assert json.loads(workflow.list().get().args)["counter"]["db"] == other
    assert finish(workflow_id, replaying=replaying) == Completed(["theirs on other"] * 3)
    assert finish(whose.start(ours), replaying=replaying) == Completed(["ours on default"] * 3)
    assert_replays(workflow.list().get(pk=workflow_id))


@BOTH
def test_a_result_keeps_its_database(other: str, replaying: bool) -> None:
    ours = Counter.objects.create(name="ours")
    Counter.objects.using(other).create(pk=ours.pk, name="theirs")
    assert finish(reads_other.start(ours.pk), replaying=replaying) == Completed("theirs on other")


def test_a_database_that_is_no_longer_there_is_a_failure_that_says_so(other: str) -> None:
    theirs = Counter.objects.using(other).create(name="theirs")
    workflow_id = whose.start(theirs)
    Workflow.objects.update(args=workflow.list().get().args.replace('"other"', '"gone"'))
    status = finish(workflow_id)
    assert isinstance(status, Failed)
    assert f"Counter {theirs.pk} is of the database 'gone', which is not in DATABASES any more" in status.error


class Replicas:
    """Reads go to a replica, as Django's documentation has it."""

    def db_for_read(self, model: type[Model], **hints: object) -> str | None:
        return "other" if model is Counter else None

    def db_for_write(self, model: type[Model], **hints: object) -> str | None:
        return "default" if model is Counter else None


def test_with_routers_the_database_that_was_meant_is_read_whatever_they_say(other: str, settings) -> None:  # type: ignore[no-untyped-def]
    settings.DATABASE_ROUTERS = [f"{__name__}.Replicas"]
    new = Counter(name="not on the replica yet")
    new.save(using="default")
    assert finish(whose.start(new)) == Completed(["not on the replica yet on default"] * 3)
    read = Counter.objects.using(other).create(pk=new.pk, name="replica")
    assert finish(whose.start(read)) == Completed(["replica on other"] * 3)


def test_journals_without_a_database_go_on_as_they_were_written(other: str, settings) -> None:  # type: ignore[no-untyped-def]
    """Older versions stored no database, and let routers decide: what they recorded is still asked for."""
    settings.DATABASE_ROUTERS = [f"{__name__}.Replicas"]
    counter = Counter(name="ours")
    counter.save(using="default")
    Counter.objects.using(other).create(pk=counter.pk, name="theirs")
    for logic in (0, INSTANCE_REFERENCES):
        workflow_id = whose.start(counter)
        Workflow.objects.filter(pk=workflow_id).update(
            logic=logic, args=json.dumps({"counter": {"model": "tests_app.counter", "pk": str(counter.pk)}})
        )
        assert finish(workflow_id, replaying=True) == Completed(["theirs on other"] * 3)
        recorded = {json.dumps(json.loads(step.args)) for step in Step.objects.filter(workflow=workflow_id)}
        assert all('"db"' not in text for text in recorded)
        assert_replays(workflow.list().get(pk=workflow_id))


# -- what a workflow function sees


@BOTH
@pytest.mark.parametrize("flow", [waits, result_waits])
def test_a_row_that_changes_while_the_workflow_waits_does_not_block_it(flow, replaying: bool) -> None:  # type: ignore[no-untyped-def]
    counter = Counter.objects.create(name="a", value=4)
    workflow_id = flow.start(counter if flow is waits else counter.pk)
    run(replaying=replaying)
    Counter.objects.update(value=5)
    assert "5" in finish(workflow_id, replaying=replaying).result
    assert_replays(workflow.list().get())


@BOTH
def test_a_row_that_goes_away_is_a_failure_of_the_step_that_can_be_caught(replaying: bool) -> None:
    counter = Counter.objects.create(name="a", value=4)
    key = counter.pk
    waiting, result_waiting = waits.start(counter), result_waits.start(key)
    run(replaying=replaying)
    counter.delete()
    expected = f"{key} is gone: there is no tests_app.Counter with primary key {key} any more"
    assert finish(waiting, replaying=replaying) == Completed(expected)
    assert finish(result_waiting, replaying=replaying) == Completed("gone: True")
    for each in workflow.list():
        assert_replays(each)


def test_a_row_that_is_gone_before_the_first_turn_fails_the_step_and_not_the_code() -> None:
    counter = Counter.objects.create(name="a", value=4)
    workflow_id = doubles.start(counter)
    counter.delete()
    status = finish(workflow_id)
    assert isinstance(status, Failed)
    assert status.error_type == "tests.app.models.Counter.DoesNotExist"
    assert "there is no tests_app.Counter with primary key" in status.error


def test_any_other_attribute_says_to_read_it_in_a_step() -> None:
    counter = Counter.objects.create(name="a", value=4)
    status = finish(looks_inside.start(counter))
    assert isinstance(status, Failed)
    assert status.error_type.endswith("UnsupportedInHandler")
    assert "tests_app.Counter.value cannot be read in a workflow function, which has a reference to the row (" in (
        status.error
    )
    assert "pass the instance on to step.run_query" in status.error


def test_a_reference_is_what_people_expect_of_it() -> None:
    from django_workflows import UnsupportedInHandler

    counter = Counter.objects.create(name="a", value=4)
    reference = InstanceReference(Counter, {"model": "tests_app.counter", "pk": str(counter.pk)})
    assert isinstance(reference, Counter)
    assert isinstance(reference, Model)
    assert not isinstance(reference, Ticket)
    assert (reference.pk, reference.id) == (counter.pk, counter.pk)
    assert reference == counter
    assert counter == reference
    assert {reference} == {counter}
    assert reference != Ticket(pk=None)
    assert reference != 1
    assert copy.deepcopy(reference) == reference == pickle.loads(pickle.dumps(reference))
    assert "reference to tests_app.Counter" in repr(reference)
    assert not hasattr(reference, "__len__")
    match reference:
        case Counter():
            pass
        case _:
            pytest.fail("it is not matched by its class")
    for refused in (
        lambda: reference.name,
        lambda: str(reference),
        lambda: reference.save(),
        lambda: setattr(reference, "value", 3),
        lambda: delattr(reference, "value"),
        lambda: hasattr(reference, "value"),
    ):
        with pytest.raises(UnsupportedInHandler, match="Only the primary key"):
            refused()
    up = InstanceReference(Upwards, {"model": "tests_app.upwards", "pk": "3"})
    assert (up.pk, up.id, up.counter_ptr_id) == (3, 3, 3)


@BOTH
def test_instances_through_children_events_results_and_continuations(replaying: bool) -> None:
    counter = Counter.objects.create(name="a", value=4)
    assert finish(parent.start(counter), replaying=replaying) == Completed(4)
    assert finish(continues.start(counter, 2), replaying=replaying) == Completed(4)
    workflow_id = awaits_one.start()
    run(replaying=replaying)
    workflow.send_event(workflow_id, chosen, counter)
    assert finish(workflow_id, replaying=replaying) == Completed(4)
    for each in workflow.list():
        assert_replays(each)


def test_outside_the_result_is_the_instance_and_once_the_row_is_gone_a_reference_to_it() -> None:
    counter = Counter.objects.create(name="a", value=4)
    completed.clear()
    workflow_id = returns_one.with_options(on_complete=note).start(counter)
    finish(workflow_id)
    assert isinstance(completed[0], SuccessResult)
    assert completed[0].return_value.value == 4
    found = workflow.result(workflow_id)
    assert type(found) is Counter
    assert found.value == 4
    key = counter.pk
    counter.delete()
    found = workflow.result(workflow_id)
    assert found.pk == key
    assert type(found) is InstanceReference
    assert workflow.status(workflow_id).type == "completed"


def test_a_step_without_an_annotation_is_told_to_have_one() -> None:
    status = finish(to_untyped.start(Counter.objects.create(name="a")))
    assert isinstance(status, Failed)
    assert "annotate" in status.error


# -- workflows of before


def test_an_older_workflow_sees_the_row_itself_as_it_did() -> None:
    counter = Counter.objects.create(name="a", value=4)
    workflow_id = branches.start(counter)
    Workflow.objects.update(logic=0)
    assert finish(workflow_id) == Completed("a on default")
    assert workflow.list().get().steps.last().name == "by 4"


def test_an_older_workflow_whose_row_is_gone_is_blocked_until_it_is_back() -> None:
    counter = Counter.objects.create(name="a", value=4)
    key = counter.pk
    workflow_id = branches.start(counter)
    Workflow.objects.update(logic=0)
    run()
    counter.delete()
    become_another_process()
    advance(61)
    run()
    status = workflow.status(workflow_id)
    assert isinstance(status, InProgress)
    assert "there is no tests_app.Counter with primary key" in status.blocked.message
    Counter.objects.create(pk=key, name="a", value=4)
    assert finish(workflow_id) == Completed("a on default")
