"""The table of the approvals app."""

from django.db import models


class Request(models.Model):
    """Somebody wants a text, and somebody else has to approve it."""

    workflow_id = models.UUIDField(unique=True)
    prompt = models.CharField(max_length=100)
    proposals = models.JSONField(default=list, blank=True)
    outcome = models.CharField(max_length=20, blank=True, help_text="Empty until the workflow has ended.")
    text = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.prompt}: {self.outcome or 'open'}"
