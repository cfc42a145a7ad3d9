"""The event table: messages to workflows, sent or waited for."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .ids import uuid7
from .workflow import Workflow


class Event(models.Model):
    """One message to a workflow. Of one name, the first sent is the first taken: ids sort by time of creation."""

    class State(models.TextChoices):
        CREATED = "created", _("created")
        SENT = "sent", _("sent")
        WAITING = "waiting", _("waiting")
        CONSUMED = "consumed", _("consumed")

    id = models.UUIDField(_("id"), primary_key=True, default=uuid7, editable=False)
    workflow = models.ForeignKey(
        Workflow, models.CASCADE, verbose_name=_("workflow"), related_name="events", db_index=False
    )
    name = models.CharField(_("name"), max_length=200)
    state = models.CharField(_("state"), max_length=16, choices=State.choices)
    value = models.TextField(_("value"), null=True)
    error = models.TextField(_("error"), null=True)
    step = models.PositiveIntegerField(_("step"), null=True)
    created_at = models.DateTimeField(_("created at"))
    sent_at = models.DateTimeField(_("sent at"), null=True)
    token_hash = models.CharField(
        _("hash of its token"), max_length=64, default="", db_default="", blank=True, editable=False
    )
    token_expires_at = models.DateTimeField(_("token expires at"), null=True, editable=False)
    sequence = models.PositiveBigIntegerField(_("sequence"), default=0)
    definition = models.TextField(_("where its type is defined"), default="", db_default="", blank=True, editable=False)
    idempotency_key = models.CharField(_("idempotency key"), max_length=200, null=True, editable=False)
    fingerprint = models.CharField(
        _("fingerprint of what was sent"), max_length=64, default="", db_default="", blank=True, editable=False
    )

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="dwf_event_idempotency",
            ),
        ]
        indexes = [
            models.Index(fields=["workflow", "name", "state", "sequence"], name="dwf_event_workflow"),
            models.Index(fields=["workflow", "step"], condition=Q(step__isnull=False), name="dwf_event_step"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"
