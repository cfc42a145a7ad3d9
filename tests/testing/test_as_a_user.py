"""Tests as the documentation has users write them."""

from datetime import timedelta
from unittest.mock import call

from django_workflows import Completed, InProgress
from django_workflows.testing import assert_replays
from tests.testing.shop import onboarding, saved_keys, send_email, verified, workflow


def test_onboarding(db, workflows):
    workflows.fake(send_email, returns="sent")
    workflow_id = onboarding.start(user_id=1)
    workflows.run()
    assert workflow.status(workflow_id) == InProgress(running=["verificationEmail"])
    workflow.send_event(workflow_id, verified, {"ok": True})
    workflows.run()
    workflows.advance(timedelta(days=1))
    assert workflow.status(workflow_id) == Completed(None)
    assert workflows.calls(send_email) == [call(1)]
    assert_replays(onboarding, workflows.history(workflow_id))


def test_the_follow_up_is_not_sent_before_a_day_is_over(db, workflows):
    workflows.fake(send_email, returns="sent")
    workflow_id = onboarding.start(1)
    workflow.send_event(workflow_id, verified, {"ok": True})
    workflows.run()
    workflows.advance(timedelta(hours=23, minutes=59))
    assert workflow.status(workflow_id) == InProgress(running=["followUp"])
    assert saved_keys() == []
    workflows.advance(timedelta(minutes=1))
    assert saved_keys() == ["follow-up 1"]
