"""The step table: one row per entry of a journal."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .workflow import Workflow


class Step(models.Model):
    """One entry of a journal.

    ``due_at`` is when a worker may take it, or when the lease of the worker that has it ends; for a sleep or an event,
    when the wait is over. ``attempt`` counts claims; those that left neither a result nor a failure were lost with
    their worker. ``queued_at``, ``started_at`` and ``finished_at`` are those of the last attempt; ``failures`` is a
    JSON list of the attempts before it, each with its own times and error. ``reached``, of a failure that was
    delivered, is the number of the step that the handler was to ask for next. ``lane`` says where in a worker it runs.
    """

    class Kind(models.TextChoices):
        QUERY = "query", _("query")
        MUTATION = "mutation", _("mutation")
        ACTION = "action", _("action")
        WORKFLOW = "workflow", _("workflow")
        EVENT = "event", _("event")
        SLEEP = "sleep", _("sleep")
        CREATE_EVENT = "create_event", _("create event")
        PATCH = "patch", _("patch")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        WAITING = "waiting", _("waiting")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        CANCELED = "canceled", _("canceled")

    id = models.BigAutoField(_("id"), primary_key=True)
    workflow = models.ForeignKey(
        Workflow, models.CASCADE, verbose_name=_("workflow"), related_name="steps", db_index=False
    )
    number = models.PositiveIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=500)
    function = models.CharField(_("function"), max_length=500, default="", blank=True)
    args = models.TextField(_("arguments"))
    options = models.TextField(_("options"), default="{}")
    state = models.CharField(_("state"), max_length=16, choices=State.choices)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    failures = models.TextField(_("failed attempts"), default="[]")
    due_at = models.DateTimeField(_("due at"), null=True)
    claimed_by = models.CharField(_("claimed by"), max_length=64, default="", blank=True)
    result = models.TextField(_("result"), null=True)
    error = models.TextField(_("error"), null=True)
    progress = models.TextField(_("progress"), default="", blank=True)
    delivery = models.PositiveIntegerField(_("delivery"), null=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True)
    reached = models.PositiveIntegerField(_("reached"), null=True)
    queue = models.CharField(_("queue"), max_length=200, default="", blank=True)
    priority = models.SmallIntegerField(_("priority"), default=0)
    pool = models.CharField(_("pool"), max_length=200, default="", blank=True)
    lane = models.SmallIntegerField(_("lane"), default=0, db_default=0)
    created_at = models.DateTimeField(_("created at"))
    queued_at = models.DateTimeField(_("queued at"))
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="dwf_step_number")]
        indexes = [
            # Only steps that a worker runs: waits fall due through their workflow's row.
            models.Index(
                fields=["queue", "priority", "lane", "due_at"],
                condition=Q(due_at__isnull=False, state__in=["queued", "running"]),
                name="dwf_step_due",
            ),
            # What a workflow still has to do, however long its journal.
            models.Index(
                fields=["workflow", "number"],
                condition=Q(state__in=["queued", "running", "waiting"]),
                name="dwf_step_open",
            ),
            # What went wrong at least once: few, however long the journal.
            models.Index(fields=["workflow"], condition=Q(attempt__gt=1) | Q(state="failed"), name="dwf_step_failed"),
            # Who has a place in a pool, and who comes next.
            models.Index(
                fields=["pool", "state", "due_at"],
                condition=Q(state__in=["queued", "running"]) & ~Q(pool=""),
                name="dwf_step_pool",
            ),
            models.Index(
                fields=["pool", "-priority", "queued_at", "id"],
                condition=Q(state="queued", due_at__isnull=True) & ~Q(pool=""),
                name="dwf_step_pool_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name}"
