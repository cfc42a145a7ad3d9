"""The mail series: what is sent when, once, and no more after somebody has unsubscribed."""

import smtplib
from datetime import UTC, datetime, timedelta
from unittest.mock import call

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client

from django_workflows import Canceled, Completed, InProgress
from django_workflows.testing import WorkflowTester, assert_replays
from example_project.series.models import SentMail, Subscription
from example_project.series.steps import send_once
from example_project.series.workflows import mail_series, subscribe, workflow

pytestmark = pytest.mark.django_db


def subjects() -> list[str]:
    return [sent.subject for sent in mail.outbox]


def test_each_mail_at_its_time(workflows: WorkflowTester) -> None:
    workflow_id = subscribe("Ada", "ada@example.com")
    year = workflows.now.year
    workflows.run()
    assert subjects() == ["Welcome"]
    assert workflow.status(workflow_id) == InProgress(running=["first steps"])
    workflows.advance(timedelta(minutes=59))
    assert len(subjects()) == 1
    workflows.advance(timedelta(minutes=1))
    assert subjects()[1:] == ["First steps"]
    workflows.advance(timedelta(days=1))
    assert subjects()[2:] == ["How is it going?"]
    workflows.advance(timedelta(days=7))
    assert subjects()[3:] == ["Your week"]
    new_year = datetime(workflows.now.year + 1, 1, 1, tzinfo=UTC)
    workflows.advance(new_year - workflows.now - timedelta(seconds=1))
    assert workflow.status(workflow_id) == InProgress(running=["new year"])
    workflows.advance(1)
    assert subjects()[4:] == ["Happy New Year"]
    assert new_year.year > year
    assert workflow.status(workflow_id) == Completed(None)
    assert Subscription.objects.get().ended == "success"
    assert_replays(mail_series, workflows.history(workflow_id))


def test_a_mail_server_that_is_down_is_tried_again(workflows: WorkflowTester) -> None:
    workflows.fake(send_once, raises=smtplib.SMTPServerDisconnected("gone"))
    workflow_id = subscribe("Ada", "ada@example.com")
    workflows.run()
    workflows.advance(5 + 15 + 45)
    assert workflows.calls(send_once) == [call("Ada", "ada@example.com", "Welcome")] * 4
    assert workflow.status(workflow_id).type == "in_progress"


def test_a_second_attempt_does_not_send_again(workflows: WorkflowTester, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def send_and_die(*args: str) -> None:
        attempts.append(args)
        send_once(*args)
        if len(attempts) == 1:
            raise ConnectionError("after sending")

    workflows.fake(send_once, calls=send_and_die)
    subscribe("Ada", "ada@example.com")
    workflows.run()
    workflows.advance(10)
    assert (len(attempts), subjects()) == (2, ["Welcome"])


def test_all_attempts_have_one_message_id(workflows: WorkflowTester, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def send(message: EmailMessage) -> None:
        seen.append(str(message.message()["Message-ID"]))
        if len(seen) == 1:
            raise smtplib.SMTPServerDisconnected("gone")

    monkeypatch.setattr(EmailMessage, "send", send)
    subscribe("Ada", "ada@example.com")
    workflows.run()
    workflows.advance(10)
    assert (len(seen), len(set(seen)), SentMail.objects.count()) == (2, 1, 1)


def test_one_series_for_each_address(workflows: WorkflowTester) -> None:
    first = subscribe("Ada", "ada@example.com")
    workflows.run()
    assert subscribe("Ada L.", "ada@example.com") == first
    assert subscribe("Bob", "bob@example.com") != first
    assert Subscription.objects.count() == 2


def test_unsubscribing_on_the_page(client: Client, workflows: WorkflowTester) -> None:
    page = client.post("/series/", {"name": "Ada", "email": "ada@example.com"}).headers["Location"]
    workflows.run()
    assert "Welcome, " in client.get(page).text
    for _ in range(2):
        assert client.post(f"{page}stop/").headers["Location"] == page
    workflows.advance(timedelta(days=400))
    assert subjects() == ["Welcome"]
    subscription = Subscription.objects.get()
    assert (subscription.ended, workflow.status(subscription.workflow_id)) == ("canceled", Canceled())
    assert "Unsubscribe" not in client.get(page).text
    again = client.post("/series/", {"name": "Ada", "email": "ada@example.com"}).headers["Location"]
    assert again != page
    assert "Ada" in client.get("/series/").text
