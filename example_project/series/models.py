"""Tables of the mail series: who gets it, and what has been sent."""

from django.db import models


class Subscription(models.Model):
    """Somebody who gets the series. ``workflow_id`` is the running one."""

    name = models.CharField(max_length=100)
    email = models.EmailField(unique=True)
    workflow_id = models.UUIDField(unique=True)
    ended = models.CharField(max_length=20, blank=True, help_text="Empty while the series goes on.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class SentMail(models.Model):
    """A mail that was handed over for delivery. ``key`` is that of the step, whatever the number of its attempts."""

    key = models.CharField(max_length=200, unique=True)
    email = models.EmailField()
    subject = models.CharField(max_length=200)
    sent_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.subject} to {self.email}"
