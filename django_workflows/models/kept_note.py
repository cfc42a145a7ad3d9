"""The table of what people did to workflows whose accounts are no longer there."""

from __future__ import annotations

from django.db import models


class KeptNote(models.Model):
    """A note of the admin's log, which Django deletes together with the user who it is of.

    It has the user's name and id as texts, and nothing else of them. There is no foreign key to the workflow either:
    that it was deleted, and by whom, is a note too.
    """

    workflow_id = models.UUIDField("workflow", db_index=True)
    action_time = models.DateTimeField("at")
    action_flag = models.PositiveSmallIntegerField("kind of change")
    object_repr = models.CharField("workflow's name", max_length=200)
    change_message = models.TextField("what was done")
    user_pk = models.CharField("user's id", max_length=255)
    user = models.CharField("user's name", max_length=255)

    class Meta:
        verbose_name = "kept note"
        verbose_name_plural = "kept notes"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.object_repr}: {self.change_message}"

    def get_change_message(self) -> str:
        """As of an entry of the admin's log."""
        return self.change_message
