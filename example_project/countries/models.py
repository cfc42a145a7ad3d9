"""Tables of the countries app."""

from django.db import models


class CountryMean(models.Model):
    """The mean temperature of a country's cities. One for each child workflow."""

    workflow_id = models.UUIDField(unique=True)
    country = models.CharField(max_length=100)
    cities = models.PositiveIntegerField()
    mean = models.FloatField(help_text="Degrees Celsius.")

    class Meta:
        ordering = ["country"]

    def __str__(self) -> str:
        return f"{self.country}: {self.mean} °C"


class Comparison(models.Model):
    """Countries side by side. One for each parent workflow."""

    workflow_id = models.UUIDField(unique=True)
    means = models.JSONField(default=dict)
    problems = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return ", ".join(self.means) or "Nothing"
