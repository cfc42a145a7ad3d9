"""Fakes: decoded arguments in, typed encoding out, and a record of every call."""

import smtplib
from datetime import UTC, datetime
from decimal import Decimal
from unittest.mock import ANY, AsyncMock, Mock, call

import pytest

from django_workflows import Completed, Failed, InvalidStep, WorkflowError, current_step, testing
from django_workflows.testing import WorkflowTester
from tests.testing.shop import (
    Receipt,
    add,
    buying,
    charge,
    fetch_price,
    long_chain,
    onboarding,
    pricing,
    quoting,
    retrying,
    save,
    saved_keys,
    saving,
    send_email,
    workflow,
)

pytestmark = pytest.mark.django_db


def test_a_fake_gets_decoded_arguments_and_its_result_comes_back_typed(workflows):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    seen = []

    def fake_charge(amount, item):
        seen.append((amount, item))
        return Receipt(amount * 2, at)

    workflows.fake(fetch_price, returns=Decimal("9.90"))
    workflows.fake(charge, calls=fake_charge)
    workflow_id = buying.start("pen")
    workflows.run()
    assert workflow.status(workflow_id) == Completed(Receipt(Decimal("19.80"), at))
    assert seen == [(Decimal("9.90"), "pen")]
    assert workflow.steps(workflow_id).get(number=0).result == '"9.90"'


def test_a_result_that_does_not_fit_the_real_function_fails_the_step(workflows):
    workflows.fake(fetch_price, returns={"not": "a price"})
    workflow_id = buying.start("pen")
    workflows.run()
    status = workflow.status(workflow_id)
    assert isinstance(status, Failed)
    assert "result of step 0 (tests.testing.shop.fetch_price)" in status.error


async def price_of(item, *, currency="EUR"):
    return Decimal(len(item))


@pytest.mark.parametrize(
    "calls",
    [
        price_of,
        lambda item: Decimal(3),
        lambda what: Decimal(3),
        lambda what, currency: Decimal(3) if currency == "EUR" else None,
        lambda item, **kwargs: price_of(item, **kwargs),
        Mock(return_value=Decimal(3)),
        AsyncMock(return_value=Decimal(3)),
    ],
)
def test_a_fake_may_be_any_function_that_takes_what_the_real_one_takes(workflows, calls):
    workflows.fake(fetch_price, calls=calls)
    workflows.fake(charge, calls=lambda item, amount: Receipt(amount))
    workflow_id = buying.start("pen")
    workflows.run()
    assert workflow.status(workflow_id) == Completed(Receipt(Decimal(3)))


def test_an_async_fake_of_a_sync_function(workflows):
    async def sent(user_id):
        return f"sent to {user_id}"

    workflows.fake(send_email, calls=sent)
    workflow_id = retrying.start(7)
    workflows.run()
    assert workflow.status(workflow_id) == Completed("sent to 7")


def test_a_fake_without_a_signature(workflows):
    workflows.fake(send_email, calls=str)
    workflow_id = retrying.start(7)
    workflows.run()
    assert workflow.status(workflow_id) == Completed("7")


def test_a_fake_that_takes_other_arguments_says_so(workflows):
    workflows.fake(send_email, calls=lambda: "sent")
    workflow_id = long_chain.start(0)
    onboarding_id = retrying.start(1)
    workflows.run()
    workflows.advance(3600)
    assert workflow.status(workflow_id) == Completed(0)
    assert "TypeError after 3" in workflow.status(onboarding_id).result


@pytest.mark.parametrize("error", [smtplib.SMTPException("down"), smtplib.SMTPServerDisconnected])
def test_a_fake_raises(workflows, error):
    workflows.fake(send_email, raises=error)
    workflow_id = retrying.start(1)
    workflows.run()
    workflows.advance(3600)
    status = workflow.status(workflow_id)
    assert status.result.startswith("smtplib.SMTP")
    assert status.result.endswith("after 3, True")


def test_a_mock_with_side_effects_fails_and_then_succeeds(workflows):
    workflows.fake(send_email, calls=Mock(side_effect=[smtplib.SMTPException("down"), "sent"]))
    workflow_id = retrying.start(1)
    workflows.run()
    workflows.advance(60)
    assert workflow.status(workflow_id) == Completed("sent")
    assert workflows.calls(send_email) == [call(1), call(1)]


def test_faking_again_replaces_the_fake(workflows):
    workflows.fake(send_email, returns="first")
    workflows.fake(send_email, returns="second")
    workflow_id = retrying.start(1)
    workflows.run()
    assert workflow.status(workflow_id) == Completed("second")


def test_calls_of_functions_that_are_not_faked(workflows):
    long_chain.start(3)
    workflows.run()
    assert workflows.calls(add) == [call(0, 0), call(0, 1), call(1, 2)]
    assert workflows.calls(send_email) == []


def test_calls_are_equal_however_the_arguments_were_given(workflows):
    workflows.fake(fetch_price, returns=Decimal(1))
    workflows.fake(charge, returns=Receipt(Decimal(1)))
    buying.start("pen")
    workflows.run()
    (fetched,) = workflows.calls(fetch_price)
    assert fetched == call("pen") == fetched
    assert fetched == call(item="pen")
    assert fetched == call("pen", currency="EUR")
    assert fetched == call(ANY)
    assert fetched != call("pencil")
    assert fetched != call("pen", "EUR")
    assert fetched != call("pen", colour="blue")
    assert fetched != "pen"
    assert repr(fetched) == "call('pen')"
    assert fetched.args == ("pen",)
    assert workflows.calls(charge) == [call(amount=Decimal(1), item="pen")]
    assert call("pen") in workflows.calls(fetch_price)


def test_a_fake_runs_in_the_place_of_the_step(workflows):
    workflows.fake(send_email, calls=lambda user_id: f"{current_step().name} {current_step().attempt}")
    workflow_id = retrying.start(1)
    workflows.run()
    assert workflow.status(workflow_id) == Completed("tests.testing.shop.send_email 1")


def test_fakes_of_mutations_and_queries_inline_ones_too(workflows):
    saved = []
    workflows.fake(save, calls=saved.append)
    workflows.fake(saved_keys, calls=lambda: [*saved, "from a fake"])
    workflow_id = saving.start("k")
    workflows.run()
    assert workflow.status(workflow_id) == Completed(["k-inline", "from a fake"])
    assert saved == ["k-inline", "k-last"]


def test_a_child_is_faked(workflows):
    workflows.fake(pricing, returns=Decimal("1.50"))
    workflow_id = quoting.start("pen")
    workflows.run()
    assert workflow.status(workflow_id) == Completed("pen costs 1.50")
    assert workflows.calls(pricing) == [call("pen")]
    assert workflows.calls(fetch_price) == []
    (child,) = workflow.list(name=pricing.name)
    assert workflow.status(child.id) == Completed(Decimal("1.50"))


def test_a_child_that_fails(workflows):
    workflows.fake(pricing, raises=LookupError("not for sale"))
    workflow_id = quoting.start("pen")
    workflows.run()
    assert workflow.status(workflow_id) == Completed("no price: not for sale, True")


@pytest.mark.parametrize("calls", [lambda item, currency: Decimal(len(item)), price_of, lambda what: Decimal(3)])
def test_a_child_is_a_function_of_its_arguments(workflows, calls):
    workflows.fake(pricing, calls=calls)
    workflow_id = quoting.start("pen")
    workflows.run()
    assert workflow.status(workflow_id) == Completed("pen costs 3")


def test_a_fake_of_a_child_may_use_the_database(workflows):
    def fake(item, currency):
        save(item)
        return Decimal(1)

    workflows.fake(pricing, calls=fake)
    workflow_id = quoting.start("pen")
    workflows.run()
    assert workflow.status(workflow_id).type == "completed"
    assert saved_keys() == ["pen"]


def test_a_childs_result_is_held_against_its_annotation(workflows):
    workflows.fake(pricing, returns="much")
    workflow_id = quoting.start("pen")
    workflows.run()
    assert "result of workflow tests.testing.shop.pricing" in workflow.status(workflow_id).result


def test_a_workflow_that_code_under_test_starts_is_faked_alike(workflows):
    workflows.fake(onboarding, returns=None)
    workflow_id = onboarding.start(3)
    assert workflows.calls(onboarding) == []
    workflows.run()
    assert workflow.status(workflow_id) == Completed(None)
    assert workflows.calls(onboarding) == [call(3)]
    workflows.fake(onboarding, raises=ValueError("again"))
    second = onboarding.start(4)
    workflows.run()
    assert workflow.status(second) == Failed("again")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of returns=, raises= and calls="),
        ({"returns": 1, "raises": ValueError}, "one of returns=, raises= and calls="),
        ({"raises": "ValueError"}, "takes an exception, got 'ValueError'"),
        ({"calls": "sent"}, "takes a function, got 'sent'"),
    ],
)
def test_wrong_use_of_fake(workflows, options, message):
    with pytest.raises(TypeError, match=message):
        workflows.fake(send_email, **options)


def test_what_is_no_step_function_cannot_be_faked(workflows):
    with pytest.raises(InvalidStep, match="lambda"):
        workflows.fake(lambda: 1, returns=1)


def test_a_tester_that_is_not_in_use_says_how_to_use_it():
    tester = WorkflowTester()
    for use in (
        tester.run,
        lambda: tester.advance(1),
        lambda: tester.fake(add, returns=1),
        lambda: tester.calls(add),
        lambda: tester.now,
    ):
        with pytest.raises(WorkflowError, match="enterContext"):
            use()


def test_a_tester_is_entered_once():
    with WorkflowTester() as tester, pytest.raises(WorkflowError, match="in use already"):
        tester.__enter__()


def test_the_package_names_what_it_has():
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = testing.nothing
