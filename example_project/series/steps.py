"""Sends a mail of the series, and not a second time."""

from django.core.mail import EmailMessage

from django_workflows import current_step
from example_project.series.models import SentMail

TEXTS = {
    "Welcome": "Good to have you here.",
    "First steps": "An hour has passed. Have you found your way around?",
    "How is it going?": "It is your second day with us.",
    "Your week": "This is what happened in your first week.",
    "Happy New Year": "All the best for the new year.",
}


def send_once(name: str, email: str, subject: str) -> None:
    """An action: send one of the mails, unless an earlier attempt of this step did.

    Between the sending and the note of it a crash is still possible. For that the mail carries the step's key, by which
    a mail server can tell that it has it already.
    """
    key = current_step().idempotency_key
    if SentMail.objects.filter(key=key).exists():
        return
    headers = {"Message-ID": f"<{key.replace(':', '.')}@example.localhost>"}
    EmailMessage(subject, f"Hello {name},\n\n{TEXTS[subject]}\n", None, [email], headers=headers).send()
    SentMail.objects.create(key=key, email=email, subject=subject)
