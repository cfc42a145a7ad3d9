"""Tables of the onboarding app: members, and greetings that wait for an editor."""

from django.db import models


class Member(models.Model):
    """Somebody who signed up. Written in the transaction that starts the onboarding."""

    name = models.CharField(max_length=100)
    email = models.EmailField()
    interest = models.CharField(max_length=100, blank=True)
    verified = models.BooleanField(default=False)
    greeting = models.TextField(blank=True)
    workflow_id = models.UUIDField(unique=True, null=True, editable=False)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class Refinement(models.Model):
    """A draft that an editor is asked to improve; ``workflow_id`` is the child workflow that waits for it."""

    workflow_id = models.UUIDField(unique=True)
    member = models.ForeignKey(Member, on_delete=models.CASCADE)
    draft = models.TextField()
    text = models.TextField(blank=True, help_text="Empty until somebody has edited it.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Greeting for {self.member.name}"
