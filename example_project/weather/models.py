"""Tables of the weather app: what visitors asked for, and the reports that the workflow saved."""

from django.db import models


class Lookup(models.Model):
    """A visitor's request for a report. Written in the transaction that starts the workflow."""

    workflow_id = models.UUIDField(unique=True)
    city = models.CharField(max_length=100)
    outcome = models.CharField(max_length=20, blank=True, help_text="Empty while the workflow runs.")
    detail = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.city}: {self.outcome or 'in progress'}"


class Report(models.Model):
    """The temperature of one city. Saved exactly once for each workflow."""

    workflow_id = models.UUIDField(unique=True)
    city = models.CharField(max_length=100)
    country = models.CharField(max_length=100)
    temperature = models.FloatField(help_text="Degrees Celsius.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.city}, {self.country}: {self.temperature} °C"
