"""What an onboarding does to the world: mails, a text generator, and the members' table."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urljoin
from uuid import UUID

from django.conf import settings
from django.core.mail import send_mail
from django.core.signing import Signer
from django.urls import reverse

from django_workflows import current_step
from example_project.onboarding.models import Member, Refinement
from example_project.writer import greet

signer = Signer(salt="onboarding.verification")


@dataclass
class Draft:
    text: str
    needs_human_input: bool


def send_verification_email(member_id: int, workflow_id: UUID) -> Literal["needs_verification", "verified"]:
    """An action: ask whether the address is right, unless that is known."""
    member = Member.objects.get(id=member_id)
    if member.verified:
        return "verified"
    path = reverse("onboarding:verify", args=[signer.sign(str(workflow_id))])
    link = urljoin(settings.SITE_URL, path)
    send_mail("Is this your address?", f"Hello {member.name},\n\nplease answer here:\n{link}\n", None, [member.email])
    return "needs_verification"


def mark_verified(member_id: int) -> None:
    """A mutation."""
    Member.objects.filter(id=member_id).update(verified=True)


def write_greeting(member_id: int) -> Draft:
    """An action: have a greeting written. Without an interest to write about, a person should look at it."""
    member = Member.objects.get(id=member_id)
    text = greet(member.name, member.interest, attempt=current_step().attempt)
    return Draft(text, needs_human_input=not member.interest)


def ask_editor(workflow_id: UUID, member_id: int, draft: str) -> None:
    """A mutation: put a draft on the editors' list."""
    Refinement.objects.create(workflow_id=workflow_id, member_id=member_id, draft=draft)


def close_refinement(workflow_id: UUID, text: str) -> None:
    """A mutation: note what the editor made of it."""
    Refinement.objects.filter(workflow_id=workflow_id).update(text=text)


def save_greeting(member_id: int, text: str) -> None:
    """A mutation."""
    Member.objects.filter(id=member_id).update(greeting=text)


def send_follow_up(member_id: int) -> None:
    """An action."""
    member = Member.objects.get(id=member_id)
    send_mail("How was your first day?", f"{member.greeting}\n\nHow was your first day?\n", None, [member.email])
