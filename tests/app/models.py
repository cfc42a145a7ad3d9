"""What the tests' workflows leave behind, so that a test can count effects."""

import uuid

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


class CounterProxy(Counter):
    class Meta:
        proxy = True


class Upwards(Counter):
    """A table that extends another's, with the other's primary key."""

    step = models.IntegerField(default=1)


class Ticket(models.Model):
    """Its primary key is there before it is saved."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    subject = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"ticket {self.pk}"


class Seat(models.Model):
    pk = models.CompositePrimaryKey("row", "place")
    row = models.IntegerField()
    place = models.CharField(max_length=10)
    taken = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.row}{self.place}"
