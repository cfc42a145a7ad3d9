"""The onboarding, with the users' test kit: the mails, the event, the child, and the day in between."""

import re
from datetime import timedelta
from unittest.mock import call

import pytest
from django.core import mail
from django.test import Client

from django_workflows import Completed, Failed, InProgress
from django_workflows.testing import WorkflowTester, assert_replays
from example_project.onboarding import steps
from example_project.onboarding.models import Member, Refinement
from example_project.onboarding.views import sign_up
from example_project.onboarding.workflows import (
    Refined,
    Verification,
    refine_greeting,
    refined,
    user_onboarding,
    verification,
    workflow,
)
from example_project.writer import WriterOverloaded

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http://testserver(/onboarding/verify/\S+)")


def ada(interest: str = "engines", *, verified: bool = False) -> Member:
    return sign_up(Member(name="Ada", email="ada@example.com", interest=interest, verified=verified))


def test_from_the_sign_up_to_the_follow_up(workflows: WorkflowTester) -> None:
    member = ada()
    workflows.run()
    assert workflow.status(member.workflow_id) == InProgress(running=["verificationEmail"])
    workflow.send_event(member.workflow_id, verification, Verification(verified=True))
    workflows.run()
    workflows.advance(timedelta(hours=23, minutes=59))
    assert [sent.subject for sent in mail.outbox] == ["Is this your address?"]
    workflows.advance(timedelta(minutes=2))
    member.refresh_from_db()
    assert member.verified
    assert "engines" in member.greeting
    assert workflow.status(member.workflow_id) == Completed(member.greeting)
    assert [sent.subject for sent in mail.outbox] == ["Is this your address?", "How was your first day?"]
    assert member.greeting in mail.outbox[1].body
    assert_replays(user_onboarding, workflows.history(member.workflow_id))


def test_a_verified_member_is_not_asked(workflows: WorkflowTester) -> None:
    member = ada(verified=True)
    workflows.run()
    workflows.advance(timedelta(days=1))
    assert workflow.status(member.workflow_id).type == "completed"
    assert [sent.subject for sent in mail.outbox] == ["How was your first day?"]


def test_somebody_elses_address(workflows: WorkflowTester) -> None:
    member = ada()
    workflows.run()
    workflow.send_event(member.workflow_id, verification, Verification(verified=False))
    workflows.run()
    assert workflow.status(member.workflow_id) == Failed("The owner of the address did not sign up.")
    assert not Member.objects.get().verified


def test_the_writer_is_asked_again(workflows: WorkflowTester) -> None:
    answers = iter([WriterOverloaded("busy"), WriterOverloaded("busy"), steps.Draft("Hello!", False)])

    def write(member_id: int) -> steps.Draft:
        answer = next(answers)
        if isinstance(answer, WriterOverloaded):
            raise answer
        return answer

    workflows.fake(steps.write_greeting, calls=write)
    member = ada(verified=True)
    workflows.run()
    workflows.advance(60)
    member.refresh_from_db()
    assert member.greeting == "Hello!"
    assert workflows.calls(steps.write_greeting) == [call(member.id)] * 3


def test_the_writer_fails_now_and_then_but_never_twice(workflows: WorkflowTester) -> None:
    topics = [f"topic {number}" for number in range(9)]
    for topic in topics:
        ada(topic, verified=True)
    workflows.run()
    workflows.advance(60)
    assert all(topic in member.greeting for topic, member in zip(topics, Member.objects.order_by("id"), strict=True))
    assert len(topics) < len(workflows.calls(steps.write_greeting)) <= 2 * len(topics)


def test_an_editor_refines_the_greeting(client: Client, workflows: WorkflowTester) -> None:
    member = ada("", verified=True)
    workflows.run()
    workflows.advance(5)
    task = Refinement.objects.get()
    assert workflow.status(member.workflow_id) == InProgress(running=[refine_greeting.name])
    assert task.draft in client.get(f"/onboarding/refine/{task.workflow_id}/").text.replace("&#x27;", "'")
    response = client.post(f"/onboarding/refine/{task.workflow_id}/", {"text": "Dear Ada"})
    assert response.headers["Location"] == f"/onboarding/members/{member.workflow_id}/"
    workflows.run()
    member.refresh_from_db()
    assert member.greeting == "Dear Ada"
    late = client.post(f"/onboarding/refine/{task.workflow_id}/", {"text": "Dear Countess"})
    assert (late.status_code, "Too late" in late.text) == (409, True)


def test_without_an_editor_the_draft_is_used(workflows: WorkflowTester) -> None:
    child = refine_greeting.start(ada().id, "Hi")
    workflows.run()
    workflows.advance(timedelta(days=3))
    assert workflow.status(child) == Completed("Hi")


def test_the_parent_with_a_child_that_is_faked(workflows: WorkflowTester) -> None:
    workflows.fake(refine_greeting, returns="Faked")
    workflows.fake(steps.write_greeting, returns=steps.Draft("draft", True))
    member = ada(verified=True)
    workflows.run()
    member.refresh_from_db()
    assert member.greeting == "Faked"
    assert workflows.calls(refine_greeting) == [call(member.id, "draft")]


def test_an_empty_refinement_is_refused(client: Client, workflows: WorkflowTester) -> None:
    ada("", verified=True)
    workflows.run()
    workflows.advance(5)
    task = Refinement.objects.get()
    response = client.post(f"/onboarding/refine/{task.workflow_id}/", {"text": " "})
    assert (response.status_code, "This field is required" in response.text) == (200, True)
    workflow.send_event(task.workflow_id, refined, Refined(text="ok"))


def test_the_pages_and_the_link_in_the_mail(client: Client, workflows: WorkflowTester) -> None:
    values = {"name": "Ada", "email": "ada@example.com", "interest": "engines"}
    page = client.post("/onboarding/", values).headers["Location"]
    workflows.run()
    assert "not verified" in client.get(page).text
    found = LINK.search(str(mail.outbox[0].body))
    assert found
    assert "signed up as Ada" in client.get(found[1]).text
    assert not Member.objects.get().verified
    assert client.post(found[1], {"answer": "yes"}).headers["Location"] == page
    workflows.run()
    assert "✓ verified" in client.get(page).text
    workflows.advance(timedelta(days=2))
    assert "✓ completed" in client.get(page).text
    assert client.post(found[1], {"answer": "no"}).status_code == 409
    assert "Ada" in client.get("/onboarding/").text


@pytest.mark.parametrize("token", ["nonsense", "01a20487-03e1-752e-bba7-5575a559d5cb:forged"])
def test_a_forged_link_leads_nowhere(client: Client, token: str) -> None:
    assert client.get(f"/onboarding/verify/{token}/").status_code == 404


def test_a_wrong_form_starts_nothing(client: Client) -> None:
    assert client.post("/onboarding/", {"name": "Ada", "email": "nowhere"}).status_code == 200
    assert not Member.objects.exists()
