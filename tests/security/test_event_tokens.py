"""Tokens for events: 256 bits, stored hashed, single use, expiring, and silent about why they do not work."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
from datetime import timedelta
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync

from django_workflows import (
    Completed,
    EventAlreadySent,
    EventNotFound,
    EventTokenInvalid,
    InProgress,
    InvalidArguments,
    WorkflowNotRunning,
)
from django_workflows.models import Event
from django_workflows.store import event_tokens
from tests.app import workflows as flows
from tests.engine.conftest import Elsewhere
from tests.engine.driver import advance, become_another_process, finish, run

workflow = flows.workflow


@pytest.fixture
def asking():
    """A workflow that waits for an event, and that event's id."""
    workflow_id = flows.asks_approval.start(3600)
    run()
    return workflow_id, workflow.create_event(workflow_id, flows.approval)


def test_whoever_has_the_token_may_send_the_event_once(asking):
    workflow_id, event_id = asking
    token = workflow.create_event_token(event_id, expires_in=timedelta(days=1))
    assert re.fullmatch(r"[\w-]{64}", token)

    assert workflow.send_event_by_token(token, True) == event_id
    with pytest.raises(EventTokenInvalid):
        workflow.send_event_by_token(token, False)
    assert finish(workflow_id) == Completed("yes")


def test_only_a_hash_is_stored_and_256_bits_are_random(asking):
    _, event_id = asking
    token = workflow.create_event_token(event_id, expires_in=60)
    raw = base64.urlsafe_b64decode(token)

    assert (raw[:16], len(raw) - 16) == (event_id.bytes, 32)
    assert Event.objects.get(id=event_id).token_hash == hashlib.sha256(raw[16:]).hexdigest()
    other = workflow.create_event_token(event_id, expires_in=60)
    assert base64.urlsafe_b64decode(other)[16:] != raw[16:]


def test_a_new_token_replaces_the_old_one(asking):
    _, event_id = asking
    old = workflow.create_event_token(event_id, expires_in=60)
    new = workflow.create_event_token(event_id, expires_in=60)

    with pytest.raises(EventTokenInvalid):
        workflow.send_event_by_token(old, True)
    workflow.send_event_by_token(new, True)


def test_it_expires_by_the_clock_of_the_database(asking):
    workflow_id, event_id = asking
    token = workflow.create_event_token(event_id, expires_in=60)
    advance(61)
    become_another_process()

    with pytest.raises(EventTokenInvalid):
        workflow.send_event_by_token(token, True)
    assert workflow.status(workflow_id) == InProgress(["approval"])


def hostile(event_id):
    good = base64.urlsafe_b64encode(event_id.bytes + secrets.token_bytes(32)).decode()
    return [
        good,
        base64.urlsafe_b64encode(uuid4().bytes + secrets.token_bytes(32)).decode(),
        base64.urlsafe_b64encode(event_id.bytes + bytes(32)).decode(),
        good[:-1],
        good + "A",
        good[:-2] + "==",
        good[:-1] + "\n",
        good[:-1] + "\u00e9",
        good.replace("-", "+")[:63] + "+",
        "",
        "\x00" * 64,
        "A" * 1_000_000,
        None,
        7,
        [good],
        b"A" * 64,
    ]


def test_what_is_no_token_is_refused_in_the_same_words(asking):
    workflow_id, event_id = asking
    messages = set()
    for text in hostile(event_id):
        for _ in range(2):  # without a token, and with one
            with pytest.raises(EventTokenInvalid) as refused:
                workflow.send_event_by_token(text, True)
            messages.add(str(refused.value))
            workflow.create_event_token(event_id, expires_in=60)
    assert len(messages) == 1
    assert workflow.status(workflow_id) == InProgress(["approval"])


def test_an_event_without_a_token_is_sent_by_none(asking):
    _, event_id = asking
    # The hash of nothing is not the hash that is not there.
    with pytest.raises(EventTokenInvalid):
        workflow.send_event_by_token(base64.urlsafe_b64encode(event_id.bytes + bytes(32)).decode(), True)


def test_a_value_that_does_not_fit_leaves_the_token_as_it_was(asking):
    workflow_id, event_id = asking
    token = workflow.create_event_token(event_id, expires_in=60)

    with pytest.raises(InvalidArguments):
        workflow.send_event_by_token(token, {"not": "a bool"})
    workflow.send_event_by_token(token, error="nobody is in")
    assert finish(workflow_id).type == "failed"


def test_with_a_valid_token_one_is_told_that_the_workflow_has_ended(asking):
    workflow_id, event_id = asking
    token = workflow.create_event_token(event_id, expires_in=60)
    workflow.cancel(workflow_id)

    with pytest.raises(WorkflowNotRunning):
        workflow.send_event_by_token(token, True)


def test_after_a_clean_up_it_is_as_unknown_as_any(asking):
    workflow_id, event_id = asking
    token = workflow.create_event_token(event_id, expires_in=60)
    workflow.cancel(workflow_id)
    workflow.cleanup(workflow_id)

    with pytest.raises(EventTokenInvalid):
        workflow.send_event_by_token(token, True)


def test_tokens_are_for_events_that_can_be_sent(asking):
    _, event_id = asking
    workflow.send_event(event_id=event_id, value=True)
    with pytest.raises(EventAlreadySent):
        workflow.create_event_token(event_id, expires_in=60)
    for unknown in (uuid4(), "x", None):
        with pytest.raises(EventNotFound):
            workflow.create_event_token(unknown, expires_in=60)


def test_nothing_that_has_ended_is_given_a_token(asking):
    workflow_id, event_id = asking
    workflow.cancel(workflow_id)
    with pytest.raises(WorkflowNotRunning):
        workflow.create_event_token(event_id, expires_in=60)
    assert Event.objects.get(id=event_id).token_hash == ""


@pytest.mark.parametrize("expires_in", [0, -1, None, "1", float("nan"), float("inf"), 10**12, True])
def test_it_expires_in_a_time_that_makes_sense(asking, expires_in):
    with pytest.raises(InvalidArguments, match="expires_in"):
        workflow.create_event_token(asking[1], expires_in=expires_in)


def test_of_two_who_use_it_at_once_one_succeeds(asking):
    workflow_id, event_id = asking
    token = workflow.create_event_token(event_id, expires_in=60)

    outcomes = Elsewhere().together([lambda: workflow.send_event_by_token(token, True)] * 5)

    assert [each for each in outcomes if not isinstance(each, EventTokenInvalid)] == [event_id]
    assert finish(workflow_id) == Completed("yes")


@pytest.mark.parametrize("meanwhile", ["replaced", "expired", "revoked"])
def test_a_token_is_valid_when_it_is_used_and_not_only_when_it_is_read(asking, meanwhile, monkeypatch):
    workflow_id, event_id = asking
    token = workflow.create_event_token(event_id, expires_in=60)
    read, times = event_tokens.valid_hash, []

    def read_and_then(*args, **options):
        found = read(*args, **options)
        if not times:
            times.append(found)
            {
                "replaced": lambda: workflow.create_event_token(event_id, expires_in=60),
                "expired": lambda: advance(61),
                "revoked": lambda: Event.objects.filter(pk=event_id).update(token_hash=""),
            }[meanwhile]()
        return found

    monkeypatch.setattr(event_tokens, "valid_hash", read_and_then)
    with pytest.raises(EventTokenInvalid):
        workflow.send_event_by_token(token, True)
    assert Event.objects.get(pk=event_id).state == "created"
    assert workflow.status(workflow_id) == InProgress(["approval"])


def test_a_token_that_is_used_is_not_replaced_meanwhile(asking):
    workflow_id, event_id = asking
    for _ in range(5):
        token = workflow.create_event_token(event_id, expires_in=60)
        outcomes = Elsewhere().together(
            [
                lambda token=token: workflow.send_event_by_token(token, True),
                lambda: workflow.create_event_token(event_id, expires_in=60),
            ]
        )
        sent = not isinstance(outcomes[0], Exception)
        assert sent or isinstance(outcomes[0], EventTokenInvalid)
        if sent:
            assert isinstance(outcomes[1], (str, EventAlreadySent))
            break
    else:
        assert workflow.send_event_by_token(workflow.create_event_token(event_id, expires_in=60), True) == event_id
    assert finish(workflow_id) == Completed("yes")


def test_the_async_twins(asking):
    workflow_id, event_id = asking

    async def use() -> None:
        token = await workflow.acreate_event_token(event_id, expires_in=60)
        assert await workflow.asend_event_by_token(token, True) == event_id
        await asyncio.sleep(0)

    async_to_sync(use)()
    assert finish(workflow_id) == Completed("yes")
