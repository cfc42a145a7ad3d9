"""What the documentation's examples read and write."""

from django.db import models


class Order(models.Model):
    customer = models.CharField(max_length=100, default="Ada")
    total = models.PositiveIntegerField(default=1200)
    state = models.CharField(max_length=20, default="new")
    workflow_id = models.UUIDField(null=True)

    def __str__(self) -> str:
        return f"order {self.pk}"
