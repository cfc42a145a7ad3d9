"""Signals: sent after the commit of what they tell of, and their receivers harm nobody."""

import pytest
from django.db import connection, transaction

from django_workflows import Completed, signals
from tests.app import steps
from tests.app import workflows as flows
from tests.engine.driver import finish, run
from tests.engine.dying import mortal

NAMES = ("workflow_started", "workflow_completed", "step_started", "step_completed", "step_retried")
workflow = flows.workflow


@pytest.fixture
def heard():
    """What was sent, in order; each was heard outside of any transaction."""
    sent, receivers = [], []

    def listen(kind):
        def receive(signal, sender, **values):
            assert not connection.in_atomic_block
            sent.append((kind, values))

        return receive

    for name in NAMES:
        receivers.append((getattr(signals, name), listen(name)))
        receivers[-1][0].connect(receivers[-1][1])
    yield sent
    for signal, receive in receivers:
        signal.disconnect(receive)


def test_a_workflow_is_announced_from_start_to_end(heard):
    workflow_id = flows.sums.start([5])
    assert heard == [("workflow_started", {"workflow_id": workflow_id, "name": "tests.app.workflows.sums"})]
    heard.clear()
    finish(workflow_id)
    about = {"workflow_id": workflow_id, "name": "tests.app.workflows.sums"}
    step = {**about, "number": 0, "step": "tests.app.steps.add", "attempt": 1}
    assert sorted(heard, key=lambda each: each[0]) == [
        ("step_completed", {**step, "state": "completed"}),
        ("step_started", step),
        ("workflow_completed", {**about, "state": "completed", "untaken_events": {}, "never_awaited": []}),
    ]
    assert heard[0][0] == "step_started"


def test_a_failure_is_announced_as_one(heard):
    workflow_id = flows.call.start("mutation", "insert_effect_and_fail", {"key": "k"}, {})
    finish(workflow_id)
    states = {name: values["state"] for name, values in heard if "state" in values}
    assert states == {"step_completed": "failed", "workflow_completed": "failed"}


def test_each_retry_is_announced_with_its_error(heard):
    workflow_id = flows.retried.start("n", 3)
    finish(workflow_id)
    retries = [values for name, values in heard if name == "step_retried"]
    assert [(each["attempt"], each["error"]) for each in retries] == [(1, "call 1"), (2, "call 2")]
    assert all(each["retry_at"].tzinfo for each in retries)
    assert [values["attempt"] for name, values in heard if name == "step_started"] == [1, 2, 3]


def test_an_inline_step_is_announced(heard):
    finish(flows.call.start("mutation", "insert_effect", {"key": "k"}, {"inline": True}))
    assert [name for name, _ in heard].count("step_completed") == 1


def test_nothing_is_announced_before_the_commit(heard):
    with transaction.atomic():
        flows.nothing.with_options(start_async=False).start()
        assert heard == []
    assert [name for name, _ in heard] == ["workflow_started", "workflow_completed"]


def test_what_is_rolled_back_is_not_announced(heard):
    with transaction.atomic():
        flows.nothing.with_options(start_async=False).start()
        transaction.set_rollback(True)
    with mortal(when=lambda what: what == "COMMIT" or "INSERT" in what):
        flows.nothing.start()
    assert heard == []


def test_a_start_that_only_found_the_first_one_is_not_announced(heard):
    for _ in range(2):
        flows.nothing.with_options(idempotency_key="k").start()
    assert [name for name, _ in heard] == ["workflow_started"]


def test_a_receiver_that_raises_changes_nothing(caplog):
    def refuse(**values):
        raise RuntimeError("no")

    for name in NAMES:
        getattr(signals, name).connect(refuse)
    try:
        workflow_id = flows.retried.start("n", 2)
        assert finish(workflow_id) == Completed(2)
        assert "Error calling" in caplog.text
    finally:
        for name in NAMES:
            getattr(signals, name).disconnect(refuse)


def test_a_receiver_may_start_another_workflow(heard):
    def follow(workflow_id, name, **values):
        if name.endswith("nothing"):
            flows.sums.with_options(idempotency_key=str(workflow_id)).start([1])

    signals.workflow_completed.connect(follow)
    try:
        flows.nothing.start()
        run()
        run()
    finally:
        signals.workflow_completed.disconnect(follow)
    assert workflow.list(name="tests.app.workflows.sums", state="completed").count() == 1
    assert len(steps.calls) == 1
