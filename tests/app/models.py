"""What the tests' workflows leave behind, so that a test can count effects."""

from django.db import models


class Effect(models.Model):
    """One effect of one step. The unique key makes a second run of a mutation fail aloud."""

    key = models.CharField(max_length=200, unique=True)
    value = models.TextField(default="")

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"


class Counter(models.Model):
    """How often something ran, where running twice is allowed and must be seen."""

    name = models.CharField(max_length=200, unique=True)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class Mark(models.Model):
    """An effect of the chaos run; the key is not unique, so that a second one is kept, and found."""

    key = models.CharField(max_length=200, db_index=True)

    def __str__(self) -> str:
        return self.key
