"""Tables of the long jobs."""

from django.db import models


class ClimateYear(models.Model):
    """A city's temperatures, day by day for a year. While ``state`` is ``running``, days are added."""

    class State(models.TextChoices):
        RUNNING = "running"
        READY = "ready"
        CANCELED = "canceled"

    city = models.CharField(max_length=100)
    workflow_id = models.UUIDField(unique=True, null=True)
    state = models.CharField(max_length=20, choices=State, default=State.RUNNING)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"A year in {self.city}: {self.state}"


class Day(models.Model):
    year = models.ForeignKey(ClimateYear, on_delete=models.CASCADE, related_name="days")
    number = models.PositiveSmallIntegerField()
    temperature = models.FloatField(help_text="Degrees Celsius.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["year", "number"], name="jobs_one_day_each")]

    def __str__(self) -> str:
        return f"Day {self.number}: {self.temperature} °C"


class Import(models.Model):
    """A table of cities that is being read. ``done`` of ``total`` lines have become ``ImportedCity`` rows."""

    text = models.TextField()
    workflow_id = models.UUIDField(unique=True, null=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.done} of {self.total} lines"


class ImportedCity(models.Model):
    source = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="cities")
    name = models.CharField(max_length=100)
    country = models.CharField(max_length=100)

    def __str__(self) -> str:
        return f"{self.name}, {self.country}"
