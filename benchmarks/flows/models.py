"""What mutations write."""

from __future__ import annotations

from django.db import models


class Effect(models.Model):
    """One row per mutation."""

    workflow_id = models.UUIDField()
    number = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.number}"
