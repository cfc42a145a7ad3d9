"""Which values a workflow takes: that depends on what it waits for, never on what else this process has imported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from django_workflows import (
    Completed,
    EventAlreadySent,
    EventFailed,
    InProgress,
    InvalidArguments,
    StepFailed,
    WorkflowContext,
    WorkflowNotFound,
    define_event,
)
from django_workflows.core.events import EventDefinition
from tests.app.workflows import workflow
from tests.engine.driver import become_another_process, finish, run


@dataclass
class Decision:
    choice: int


number = define_event("typed approval", int)
decision = define_event("typed approval", Decision)
both_ways = pytest.mark.parametrize("replaying", [False, True], ids=["live", "replayed"])


@workflow.define
async def takes_a_number(step: WorkflowContext) -> str:
    return f"number {await step.await_event(number)!r}"


@workflow.define
async def takes_a_decision(step: WorkflowContext) -> str:
    return f"decision {(await step.await_event(decision)).choice}"


@workflow.define
async def takes_anything(step: WorkflowContext) -> str:
    return f"anything {await step.await_event('typed approval')!r}"


@workflow.define
async def forgives(step: WorkflowContext) -> str:
    try:
        return f"number {await step.await_event(number)!r}"
    except EventFailed as error:
        assert isinstance(error, StepFailed)
        assert error.error_type == "django_workflows.exceptions.InvalidPayload"
        return f"and then {await step.await_event(number)!r}"


@workflow.define
async def makes_one(step: WorkflowContext, by_definition: bool) -> str:
    event_id = await step.create_event(number if by_definition else "typed approval")
    return f"{await step.await_event(event_id)!r}"


@workflow.define
async def takes_late(step: WorkflowContext) -> str:
    await step.await_event("go")
    try:
        return f"number {await step.await_event(number)!r}"
    except EventFailed as error:
        return error.message


def waiting(definition: object, *args: object) -> UUID:
    workflow_id: UUID = definition.start(*args)  # type: ignore[attr-defined]
    run()
    return workflow_id


def test_what_is_accepted_depends_on_the_workflow_addressed() -> None:
    plain, of_number, of_decision = (waiting(each) for each in (takes_anything, takes_a_number, takes_a_decision))
    workflow.send_event(plain, "typed approval", "a text")
    for refuses, value in ((of_number, "a text"), (of_number, {"choice": 1}), (of_decision, 5)):
        with pytest.raises(InvalidArguments, match="typed approval"):
            workflow.send_event(refuses, "typed approval", value)
        assert workflow.status(refuses) == InProgress(["typed approval"])
    workflow.send_event(of_number, "typed approval", 5)
    workflow.send_event(of_decision, "typed approval", {"choice": 3})
    assert finish(plain) == Completed("anything 'a text'")
    assert finish(of_number) == Completed("number 5")
    assert finish(of_decision) == Completed("decision 3")


def test_a_definition_has_to_agree_with_the_wait() -> None:
    workflow_id = waiting(takes_a_number)
    with pytest.raises(InvalidArguments, match="the workflow waits for it as int"):
        workflow.send_event(workflow_id, decision, Decision(1))
    workflow.send_event(workflow_id, number, 4)
    assert finish(workflow_id) == Completed("number 4")
    plain = waiting(takes_anything)
    with pytest.raises(InvalidArguments):
        workflow.send_event(plain, decision, "not a decision")  # type: ignore[arg-type]
    workflow.send_event(plain, decision, Decision(1))
    assert finish(plain) == Completed("anything {'choice': 1}")


def test_the_type_is_found_by_another_process() -> None:
    workflow_id = waiting(takes_a_number)
    become_another_process()
    with pytest.raises(InvalidArguments, match="typed approval"):
        workflow.send_event(workflow_id, "typed approval", "a text")


def test_a_definition_that_only_another_process_has_is_validated_where_it_is_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workflow_id = waiting(forgives)
    with monkeypatch.context() as patch:
        patch.setattr("django_workflows.engine.send_event.find_event", lambda reference: None)
        workflow.send_event(workflow_id, "typed approval", "a text")
    workflow.send_event(workflow_id, "typed approval", 7)
    assert finish(workflow_id) == Completed("and then 7")


@both_ways
def test_a_value_that_cannot_be_read_is_a_failure_that_can_be_caught(replaying: bool) -> None:
    workflow_id = forgives.start()
    workflow.send_event(workflow_id, "typed approval", "not a number")
    workflow.send_event(workflow_id, "typed approval", 7)
    assert finish(workflow_id, replaying=replaying) == Completed("and then 7")
    first, second = workflow.steps(workflow_id)
    assert (first.state, first.result, second.state) == ("failed", None, "completed")


@both_ways
def test_it_is_the_same_where_the_wait_came_while_the_event_was_there(replaying: bool) -> None:
    workflow_id = waiting(takes_late)
    workflow.send_event(workflow_id, "typed approval", "not a number")
    workflow.send_event(workflow_id, "go")
    status = finish(workflow_id, replaying=replaying)
    assert isinstance(status, Completed)
    assert "cannot be read where it is awaited" in status.result


def test_an_event_that_was_made_by_a_definition_takes_its_type_only() -> None:
    typed, plain = waiting(makes_one, True), waiting(makes_one, False)
    (typed_event,), (plain_event,) = (workflow_events(each) for each in (typed, plain))
    with pytest.raises(InvalidArguments, match="typed approval"):
        workflow.send_event(event_id=typed_event, value="a text")
    workflow.send_event(event_id=typed_event, value=1)
    workflow.send_event(event_id=plain_event, value="a text")
    assert finish(typed) == Completed("1")
    assert finish(plain) == Completed("'a text'")


def workflow_events(workflow_id: UUID) -> list[UUID]:
    from django_workflows.models import Event

    return list(Event.objects.filter(workflow_id=workflow_id).values_list("id", flat=True))


def test_definitions_of_one_place_have_references_of_their_own() -> None:
    assert number.reference == f"{__name__}:typed approval"
    assert decision.reference == f"{__name__}:typed approval#2"
    assert define_event("typed approval", Decision) is decision
    assert EventDefinition("typed approval", int) == number


# -- senders that repeat themselves


def test_the_same_key_sends_once_whatever_became_of_the_workflow() -> None:
    workflow_id = takes_a_number.start()
    first = workflow.send_event(workflow_id, "typed approval", 5, idempotency_key="payment-1")
    assert workflow.send_event(workflow_id, "typed approval", 5, idempotency_key="payment-1") == first
    run()
    assert workflow.status(workflow_id) == Completed("number 5")
    assert workflow.send_event(workflow_id, "typed approval", 5, idempotency_key="payment-1") == first
    assert len(workflow_events(workflow_id)) == 1
    with pytest.raises(EventAlreadySent, match="'payment-1' was used for another"):
        workflow.send_event(workflow_id, "typed approval", 6, idempotency_key="payment-1")
    with pytest.raises(EventAlreadySent, match="take another key"):
        workflow.send_event(workflow_id, "typed approval", error="no", idempotency_key="payment-1")
    other = takes_a_number.start()
    sent = {workflow.send_event(other, "typed approval", n, idempotency_key=f"payment-{n}") for n in range(2)}
    assert len(sent) == 2
    assert workflow.cleanup(workflow_id)
    with pytest.raises(WorkflowNotFound):
        workflow.send_event(workflow_id, "typed approval", 5, idempotency_key="payment-1")


def test_a_key_belongs_to_one_workflow() -> None:
    one, other = takes_a_number.start(), takes_a_number.start()
    assert workflow.send_event(one, number, 1, idempotency_key="k") != workflow.send_event(
        other, number, 1, idempotency_key="k"
    )


@pytest.mark.parametrize("key", ["", "x" * 201, "\x00"])
def test_a_key_has_to_be_one(key: str) -> None:
    workflow_id = takes_a_number.start()
    with pytest.raises(InvalidArguments, match="idempotency_key"):
        workflow.send_event(workflow_id, number, 1, idempotency_key=key)


def test_a_made_event_is_sent_again_with_its_key() -> None:
    workflow_id = waiting(makes_one, True)
    (event_id,) = workflow_events(workflow_id)
    for _ in range(2):
        assert workflow.send_event(event_id=event_id, value=1, idempotency_key="k") == event_id
    with pytest.raises(EventAlreadySent):
        workflow.send_event(event_id=event_id, value=1, idempotency_key="another")
    assert finish(workflow_id) == Completed("1")


def test_fifty_senders_with_one_key_send_once(elsewhere) -> None:  # type: ignore[no-untyped-def]
    workflow_id = takes_a_number.start()
    sent = elsewhere.together(
        [lambda: workflow.send_event(workflow_id, "typed approval", 5, idempotency_key="k") for _ in range(50)]
    )
    assert len(set(sent)) == 1, sent
    assert workflow_events(workflow_id) == [sent[0]]


@workflow.define
async def goes_on(step: WorkflowContext, taken: list[int]) -> list[int]:
    taken = [*taken, await step.await_event(number)]
    if len(taken) < 2:
        step.continue_as_new(taken)
    return taken


def test_a_key_is_remembered_by_a_workflow_that_continues_as_new() -> None:
    workflow_id = waiting(goes_on, [])
    first = workflow.send_event(workflow_id, number, 1, idempotency_key="k")
    run()
    assert workflow.send_event(workflow_id, number, 1, idempotency_key="k") == first
    assert workflow.status(workflow_id) == InProgress(["typed approval"])
    workflow.send_event(workflow_id, number, 2, idempotency_key="l")
    assert finish(workflow_id) == Completed([1, 2])


async def send_async(workflow_id: UUID) -> list[UUID]:
    return [await workflow.asend_event(workflow_id, number, 1, idempotency_key="k") for _ in range(2)]


def test_the_async_twin_sends_once() -> None:
    from asgiref.sync import async_to_sync

    assert len(set(async_to_sync(send_async)(takes_a_number.start()))) == 1


amount = define_event("typed amount", Decimal)


@workflow.define
async def takes_an_amount(step: WorkflowContext) -> str:
    return f"amount {await step.await_event(amount)!r}"


@pytest.mark.parametrize("awaited", [False, True], ids=["before the wait", "at the wait"])
@pytest.mark.parametrize("value", [{1, 2}, b"", Decimal("1.50"), {"at": datetime(2026, 1, 1, tzinfo=UTC)}], ids=str)
def test_by_name_nothing_is_taken_that_would_come_back_as_something_else(value: object, awaited: bool) -> None:
    workflow_id = takes_anything.start()
    if awaited:
        run()
    with pytest.raises(InvalidArguments, match=r"no place in JSON.* send it by the definition"):
        workflow.send_event(workflow_id, "typed approval", value)
    workflow.send_event(workflow_id, "typed approval", [1, 2])
    assert finish(workflow_id) == Completed("anything [1, 2]")


def test_what_that_error_advises_works_before_the_wait_and_at_it() -> None:
    early, late = takes_an_amount.start(), takes_an_amount.start()
    with pytest.raises(InvalidArguments, match="by the definition"):
        workflow.send_event(early, "typed amount", Decimal("1.50"))
    workflow.send_event(early, amount, Decimal("1.50"))
    run()
    workflow.send_event(late, "typed amount", Decimal("2.50"))  # of the open wait the type is known
    assert [finish(each) for each in (early, late)] == [
        Completed("amount Decimal('1.50')"),
        Completed("amount Decimal('2.50')"),
    ]
