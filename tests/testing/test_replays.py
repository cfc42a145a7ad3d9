"""Histories: taken from the journal, kept as JSON, replayed against the code."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from django_workflows import InvalidPayload, WorkflowNotFound
from django_workflows.testing import History, assert_replays
from tests.testing import shop
from tests.testing.shop import (
    Receipt,
    buying,
    charge,
    counting_turns,
    fetch_price,
    long_chain,
    onboarding,
    quoting,
    retrying,
    send_email,
    tidying,
    verified,
    workflow,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def bought(workflows):
    workflows.fake(fetch_price, returns=Decimal("2.50"))
    workflows.fake(charge, calls=lambda amount, item: Receipt(amount, workflows.now))
    workflow_id = buying.start("pen")
    workflows.run()
    return workflows.history(workflow_id)


def handler(monkeypatch, definition, new):
    """The code changes."""
    monkeypatch.setattr(definition, "handler", new)


def test_it_replays_and_runs_no_step(workflows, bought):
    before = len(workflows.calls(charge))
    assert_replays(buying, bought)
    assert len(workflows.calls(charge)) == before


def test_a_history_survives_its_file(bought, tmp_path):
    path = tmp_path / "buying.json"
    path.write_text(bought.dump())
    assert History.load(path.read_text()) == bought
    assert json.loads(path.read_text())["steps"][0]["result"] == "2.50"
    assert_replays(buying, path)
    assert_replays(buying, str(path))


def test_a_history_can_be_taken_at_any_time(workflows):
    workflows.fake(send_email, returns="sent")
    workflow_id = onboarding.start(1)
    assert_replays(onboarding, workflows.history(workflow_id))
    workflows.run()
    assert_replays(onboarding, workflows.history(workflow_id))
    workflow.send_event(workflow_id, verified, {"ok": True})
    assert_replays(onboarding, workflows.history(str(workflow_id)))
    workflows.run()
    assert_replays(onboarding, History.load(workflows.history(workflow_id).dump()))


@pytest.mark.parametrize("force", [False, True])
def test_a_canceled_one(workflows, force):
    workflow_id = tidying.start("k")
    workflows.run()
    workflow.cancel(workflow_id, force=force)
    assert_replays(tidying, workflows.history(workflow_id))
    workflows.run()
    assert_replays(tidying, workflows.history(workflow_id))


def test_a_failed_one_and_one_with_a_failed_child(workflows):
    workflows.fake(send_email, raises=ValueError("no"))
    workflows.fake(shop.pricing, raises=LookupError("not for sale"))
    ids = [retrying.start(1), onboarding.start(1), quoting.start("pen")]
    workflows.advance(timedelta(days=1))
    for definition, workflow_id in zip((retrying, onboarding, quoting), ids, strict=True):
        assert_replays(definition, workflows.history(workflow_id))


def test_one_that_was_restarted(workflows):
    workflow_id = long_chain.start(4)
    workflows.run()
    workflow.restart(workflow_id, from_step=2)
    assert_replays(long_chain, workflows.history(workflow_id))
    workflows.run()
    assert_replays(long_chain, workflows.history(workflow_id))


def test_other_steps_are_shown_side_by_side(bought, monkeypatch):
    async def changed(step, item: str) -> Receipt:
        price = await step.run_action(fetch_price, item)
        return await step.run_action(charge, price, "another")

    handler(monkeypatch, buying, changed)
    with pytest.raises(AssertionError) as caught:
        assert_replays(buying, bought)
    assert str(caught.value) == (
        f"tests.testing.shop.buying does not replay the history ({bought.workflow_id}): they part at step 1\n"
        '     0  action tests.testing.shop.fetch_price {"item":"pen"}\n'
        '     1  the history has:   action tests.testing.shop.charge {"amount":"2.50","item":"pen"}\n'
        '        the code asks for: action tests.testing.shop.charge {"amount":"2.50","item":"another"}'
    )


def test_a_step_that_is_not_asked_for_any_more(bought, monkeypatch):
    async def changed(step, item: str) -> Receipt:
        return Receipt(await step.run_action(fetch_price, item))

    handler(monkeypatch, buying, changed)
    with pytest.raises(AssertionError, match="the code asks for: nothing"):
        assert_replays(buying, bought)


def test_a_step_more(workflows, monkeypatch):
    workflow_id = long_chain.start(9)
    workflows.run()

    async def changed(step, length: int) -> int:
        total = 0
        for number in range(length + 1):
            total = await step.run_action(shop.add, total, number)
        return total

    handler(monkeypatch, long_chain, changed)
    with pytest.raises(AssertionError) as caught:
        assert_replays(long_chain, workflows.history(workflow_id))
    assert "... 4 steps as recorded\n     4  action" in str(caught.value)
    assert "the history has:   nothing more" in str(caught.value)


def test_another_end(bought, workflows, monkeypatch):
    async def free(step, item: str) -> Receipt:
        price = await step.run_action(fetch_price, item)
        await step.run_action(charge, price, item)
        return Receipt(Decimal(0))

    handler(monkeypatch, buying, free)
    with pytest.raises(AssertionError, match="the code returns"):
        assert_replays(buying, bought)

    async def failing(step, item: str) -> Receipt:
        await free(step, item)
        raise ValueError("sold out")

    handler(monkeypatch, buying, failing)
    with pytest.raises(AssertionError, match=r"the code ends failed \(builtins.ValueError: sold out\)"):
        assert_replays(buying, bought)

    failed = replace(bought, state="failed", result=None, error=replace(_failure(), type="builtins.LookupError"))
    with pytest.raises(AssertionError, match="the history ended failed .builtins.LookupError"):
        assert_replays(buying, failed)

    async def waiting(step, item: str) -> Receipt:
        await free(step, item)
        return await _for_ever()

    handler(monkeypatch, buying, waiting)
    with pytest.raises(AssertionError, match="waits for something more"):
        assert_replays(buying, bought)


def _failure():
    from django_workflows.core.journal import Failure

    return Failure("builtins.ValueError", "sold out")


async def _for_ever():
    import asyncio

    await asyncio.get_running_loop().create_future()


def test_an_end_where_the_history_waits(workflows, monkeypatch):
    workflow_id = onboarding.start(1)
    workflows.fake(send_email, returns="sent")
    workflows.run()

    async def changed(step, user_id: int) -> None:
        await step.with_options(retry=True).run_action(send_email, user_id)
        step.await_event(verified)

    handler(monkeypatch, onboarding, changed)
    with pytest.raises(AssertionError, match="the code ends where the history still waits"):
        assert_replays(onboarding, workflows.history(workflow_id))


def test_other_arguments(bought, monkeypatch):
    async def changed(step, article: int) -> Receipt:
        return Receipt(Decimal(0))

    handler(monkeypatch, buying, changed)
    for history in (bought, replace(bought, started_at=None, steps=(), state="in_progress")):
        with pytest.raises(AssertionError, match="InvalidArguments"):
            assert_replays(buying, history)


def test_what_the_engine_ended_is_not_held_against_the_code(workflows, settings):
    settings.DJANGO_WORKFLOWS = {"ON_MISMATCH": "fail"}
    workflow_id = counting_turns.start()
    workflows.run()
    history = workflows.history(workflow_id)
    assert history.error.type.endswith("DeterminismViolation")
    shop.turns.clear()
    assert_replays(counting_turns, history)


def test_the_history_of_another_workflow(bought):
    with pytest.raises(AssertionError, match="a workflow named tests.testing.shop.buying"):
        assert_replays(onboarding, bought)


def test_an_unknown_workflow(workflows):
    with pytest.raises(WorkflowNotFound):
        workflows.history("00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": 1}', '{"format": 1, "workflow_id": 3}'])
def test_what_is_no_history(text):
    with pytest.raises(InvalidPayload, match="not a history"):
        History.load(text)


def test_a_history_of_a_later_version():
    with pytest.raises(InvalidPayload, match="a history of format 2"):
        History.load('{"format": 2}')
