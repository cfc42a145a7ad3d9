"""The workflow table: one row per workflow, running or finished."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .ids import uuid7


class Workflow(models.Model):
    """One workflow.

    ``due_at`` says when a worker must look at it: now, when a timer falls due, or at the end of the lease of the worker
    that has it; ``NULL`` when it waits for something outside, or ended. ``generation`` counts restarts, ``version``
    every change, ``delivered`` the outcomes handed to the handler. ``deliveries`` counts claims since it last got on.
    ``canceled_at_step`` is the number of the step that the handler was to ask for next when it was told of a
    cancellation, after ``canceled_at_delivery`` outcomes.
    ``captured`` is JSON: by class of the setting ``CONTEXT`` what its ``capture()`` said at the start.
    ``logic`` are the flags of ``core.logic`` that it was started with.
    ``has_events``: events may have been sent to it. ``never_awaited`` is a JSON list of (number, name) of the steps
    that its function asked for and never awaited, "" for none.
    ``scheduled_for`` is the time of the schedule that started it, ``NULL`` where none did.
    It is blocked while it is in progress and has a ``blocked_message``; the other columns of that name tell the last
    time. ``reopened``: it was restarted and has taken no turn since, so the handler may ask for steps that were
    dropped.
    """

    class State(models.TextChoices):
        IN_PROGRESS = "in_progress", _("in progress")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        CANCELED = "canceled", _("canceled")

    id = models.UUIDField(_("id"), primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=200)
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.IN_PROGRESS)
    args = models.TextField(_("arguments"))
    result = models.TextField(_("result"), null=True)
    error = models.TextField(_("error"), null=True)
    blocked_message = models.TextField(_("message of what blocks it"), default="", blank=True, db_column="problem")
    blocked_reason = models.CharField(_("blocked by"), max_length=32, default="", db_default="", blank=True)
    blocked_at = models.DateTimeField(_("blocked since"), null=True)
    blocked_checked_at = models.DateTimeField(_("last found blocked at"), null=True)
    blocked_codes = models.CharField(max_length=104, default="", db_default="", blank=True, editable=False)

    generation = models.PositiveIntegerField(_("generation"), default=1)
    version = models.PositiveBigIntegerField(_("version"), default=1)
    delivered = models.PositiveIntegerField(_("delivered"), default=0)
    journal_bytes = models.PositiveBigIntegerField(_("size of the journal"), default=0)
    deliveries = models.PositiveSmallIntegerField(_("deliveries"), default=0)
    due_at = models.DateTimeField(_("due at"), null=True)
    claimed_by = models.CharField(_("claimed by"), max_length=64, default="", blank=True)

    queue = models.CharField(_("queue"), max_length=200, default="", blank=True)
    priority = models.SmallIntegerField(_("priority"), default=0)
    key = models.CharField(_("key"), max_length=200, null=True)
    idempotency_key = models.CharField(_("idempotency key"), max_length=200, null=True)

    on_complete = models.CharField(_("on complete"), max_length=500, default="", blank=True)
    on_complete_seal = models.CharField(
        _("seal of on complete"), max_length=64, default="", db_default="", blank=True, editable=False
    )
    context = models.TextField(_("context"), null=True)
    on_complete_error = models.TextField(_("error of on complete"), null=True)

    parent = models.ForeignKey(
        "self", models.PROTECT, verbose_name=_("parent"), null=True, related_name="children", db_index=False
    )
    parent_step = models.PositiveIntegerField(_("step of the parent"), null=True)
    depth = models.PositiveSmallIntegerField(_("depth"), default=0)
    continuations = models.PositiveIntegerField(_("continuations"), default=0)

    reopened = models.BooleanField(_("reopened"), default=False)
    cancel_requested_at = models.DateTimeField(_("cancel requested at"), null=True)
    canceled_at_delivery = models.PositiveIntegerField(_("canceled at delivery"), null=True)
    canceled_at_step = models.PositiveIntegerField(_("canceled at step"), null=True)

    created_at = models.DateTimeField(_("created at"))
    scheduled_for = models.DateTimeField(_("scheduled for"), null=True)
    started_at = models.DateTimeField(_("started at"), null=True)
    restarted_at = models.DateTimeField(_("restarted at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    retain_for = models.DurationField(_("retain for"), null=True)
    expires_at = models.DateTimeField(_("expires at"), null=True)
    trace = models.TextField(_("trace context"), default="", blank=True)
    captured = models.TextField(null=True, editable=False)
    logic = models.PositiveIntegerField(_("replay logic"), default=0, db_default=0, editable=False)
    has_events = models.BooleanField(_("has events"), default=False, db_default=False)
    never_awaited = models.TextField(_("never awaited"), default="", db_default="", blank=True)

    class Meta:
        verbose_name = _("workflow")
        verbose_name_plural = _("workflows")
        default_permissions = ("add", "change", "delete", "view")
        permissions = [
            ("start_workflow", _("Can start workflows")),
            ("cancel_workflow", _("Can cancel workflows")),
            ("restart_workflow", _("Can restart workflows")),
            ("send_event", _("Can send events to workflows")),
            ("cleanup_workflow", _("Can clean up finished workflows")),
            ("view_payload", _("Can see arguments, results and errors")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["name", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="dwf_workflow_idempotency",
            ),
            models.UniqueConstraint(
                fields=["name", "key"],
                condition=Q(key__isnull=False, state="in_progress"),
                name="dwf_workflow_running_key",
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "priority", "due_at"], condition=Q(due_at__isnull=False), name="dwf_workflow_due"
            ),
            models.Index(fields=["expires_at"], condition=Q(expires_at__isnull=False), name="dwf_workflow_expires"),
            models.Index(
                fields=["parent", "parent_step"], condition=Q(parent__isnull=False), name="dwf_workflow_parent"
            ),
            models.Index(fields=["name", "state", "id"], name="dwf_workflow_name_state"),
            models.Index(fields=["state", "id"], name="dwf_workflow_state"),
            # What the admin lists and counts: workflows that nobody else started.
            models.Index(fields=["state", "id"], condition=Q(parent__isnull=True), name="dwf_workflow_top"),
            models.Index(fields=["id"], condition=Q(on_complete_error__isnull=False), name="dwf_workflow_callback"),
            models.Index(
                fields=["key"],
                opclasses=["varchar_pattern_ops"],
                condition=Q(key__isnull=False),
                name="dwf_workflow_key",
            ),
            models.Index(
                fields=["idempotency_key"],
                opclasses=["varchar_pattern_ops"],
                condition=Q(idempotency_key__isnull=False),
                name="dwf_workflow_idem_prefix",
            ),
            # Few, however many are in progress.
            models.Index(fields=["state", "id"], condition=~Q(blocked_message=""), name="dwf_workflow_blocked"),
            # Costs nothing but where one fails.
            models.Index(fields=["finished_at"], condition=Q(state="failed"), name="dwf_workflow_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"
