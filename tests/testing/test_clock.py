"""The clock stands until the test moves it, and everything happens at its own instant."""

import smtplib
from datetime import UTC, datetime, timedelta
from unittest.mock import call

import pytest

from django_workflows import Completed, InProgress, InvalidStep
from django_workflows.models import Step
from django_workflows.store import database
from django_workflows.testing import NoRest, WorkflowTester
from tests.testing.shop import (
    add,
    every_minute,
    long_chain,
    onboarding,
    paced,
    retrying,
    send_email,
    two_timers,
    workflow,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_it_stands_at_the_real_time_to_begin_with(workflows):
    assert abs(workflows.now - datetime.now(UTC)) < timedelta(seconds=20)
    assert workflows.now == workflows.now
    assert workflows.now == database.now()
    assert database.clock.estimate() == workflows.now


def test_timers_end_at_their_own_instants(workflows):
    started_at = workflows.now
    workflow_id = two_timers.start()
    workflows.advance(timedelta(days=3))
    assert workflow.status(workflow_id) == Completed([started_at, started_at + HOUR, started_at + 2 * HOUR])
    assert workflows.now == started_at + timedelta(days=3)
    ends = Step.objects.filter(workflow_id=workflow_id).order_by("number").values_list("finished_at", flat=True)
    assert list(ends) == [started_at + 2 * HOUR, started_at + HOUR]


def test_what_runs_at_one_instant_is_seen_at_that_instant(workflows):
    """Not only timers: retries, delayed starts, and the steps that they lead to."""
    started_at, seen = workflows.now, []

    def fail(user_id):
        seen.append((user_id, workflows.now - started_at))
        raise smtplib.SMTPException("down")

    workflows.fake(send_email, calls=fail)
    for user_id, hours in ((1, 5), (2, 3), (3, 4)):
        onboarding.with_options(run_after=hours * HOUR).start(user_id)
    workflows.run()
    assert seen == []
    workflows.advance(timedelta(hours=4, minutes=30))
    assert [user_id for user_id, _ in seen] == [2, 2, 2, 2, 2, 3, 3, 3, 3, 3]
    assert seen[0] == (2, 3 * HOUR)


def test_run_does_not_wait_for_a_retry_and_advance_does(workflows):
    workflows.fake(send_email, raises=smtplib.SMTPException("down"))
    workflow_id = retrying.start(1)
    workflows.run()
    workflows.run()
    assert workflows.calls(send_email) == [call(1)]
    assert workflow.status(workflow_id) == InProgress(running=["tests.testing.shop.send_email"])
    workflows.advance(timedelta(seconds=59))
    assert len(workflows.calls(send_email)) == 1
    workflows.advance(timedelta(seconds=1))
    assert len(workflows.calls(send_email)) == 2
    workflows.fake(send_email, returns="sent")
    workflows.advance(timedelta(minutes=2))
    assert workflow.status(workflow_id) == Completed("sent")


def test_run_at(workflows):
    at = workflows.now + HOUR
    workflow_id = long_chain.with_options(run_at=at).start(1)
    workflows.advance(HOUR - timedelta(microseconds=1))
    assert workflow.status(workflow_id) == InProgress(running=[])
    workflows.advance(timedelta(microseconds=1))
    assert workflow.status(workflow_id) == Completed(0)


@pytest.mark.parametrize("duration", [90, 90.0, timedelta(seconds=90)])
def test_durations(workflows, duration):
    started_at = workflows.now
    every_minute.start()
    assert workflows.advance(duration) == 2
    assert workflows.now == started_at + timedelta(seconds=90)


def test_advance_runs_what_is_due_already(workflows):
    workflow_id = long_chain.start(1)
    assert workflows.advance(0) == 3
    assert workflow.status(workflow_id) == Completed(0)


@pytest.mark.parametrize("duration", [-1, timedelta(seconds=-1), "1 day", None])
def test_time_does_not_run_backwards(workflows, duration):
    with pytest.raises(InvalidStep, match="advance"):
        workflows.advance(duration)


def test_too_much_to_do_in_that_time(workflows):
    every_minute.start()
    assert workflows.advance(timedelta(minutes=9), limit=10) == 10
    with pytest.raises(NoRest, match="10 pieces of work were done"):
        workflows.advance(timedelta(days=365), limit=10)


def test_the_clock_is_given_back_when_a_test_fails():
    with pytest.raises(ZeroDivisionError), WorkflowTester() as tester:
        tester.advance(100)
        raise ZeroDivisionError
    assert database.frozen_at is None
    assert abs(database.now() - datetime.now(UTC)) < timedelta(seconds=20)


def test_an_inner_tester_goes_on_from_the_outer_ones_time(workflows):
    workflows.advance(timedelta(days=100))
    with WorkflowTester() as inner:
        assert inner.now == workflows.now
        inner.advance(1)
    assert workflows.now < datetime.now(UTC) + timedelta(days=100)


def test_a_rate_limit_lets_its_steps_begin_as_time_passes(workflows):
    workflow_id = paced.start(5)
    workflows.run()
    assert len(workflows.calls(add)) == 2
    workflows.advance(timedelta(seconds=59))
    assert len(workflows.calls(add)) == 2
    workflows.advance(1)
    assert len(workflows.calls(add)) == 4
    workflows.advance(60)
    assert workflow.status(workflow_id) == Completed(5)
