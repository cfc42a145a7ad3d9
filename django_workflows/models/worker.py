"""The worker table: which processes are alive, and what they are doing."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Worker(models.Model):
    """One process that runs workflows. It writes ``seen_at`` every few seconds; silence means that it is gone.

    ``worked_at`` is when it last took work, ``done`` how many pieces it has taken, both as of ``seen_at``.
    """

    id = models.CharField(_("id"), max_length=64, primary_key=True)
    host = models.CharField(_("host"), max_length=200)
    pid = models.PositiveIntegerField(_("process"))
    role = models.CharField(_("role"), max_length=16, default="worker")
    queue = models.CharField(_("queue"), max_length=200, default="", blank=True)
    doing = models.CharField(_("doing"), max_length=500, default="", blank=True)
    started_at = models.DateTimeField(_("started at"))
    seen_at = models.DateTimeField(_("seen at"))
    worked_at = models.DateTimeField(_("last took work at"), null=True)
    done = models.PositiveBigIntegerField(_("pieces of work"), default=0, db_default=0)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ("view",)
        indexes = [models.Index(fields=["seen_at"], name="dwf_worker_seen")]

    def __str__(self) -> str:
        return self.id
