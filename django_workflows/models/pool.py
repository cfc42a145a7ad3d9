"""The pool tables: limits on how many steps run at once and how often they begin, over all machines."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Pool(models.Model):
    """The limits of a manager, or of a workflow that has some of its own.

    ``max_parallelism``, and ``rate_limit`` with ``rate_period``, override what the code says, from the moment the row
    is saved; ``NULL`` leaves it to the code. The row is locked while a place is given away, so it is also what makes
    the counts exact.
    """

    name = models.CharField(_("name"), max_length=200, primary_key=True)
    max_parallelism = models.PositiveIntegerField(
        _("steps at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("How many steps may run at once, over all machines. Empty: as the code says."),
    )
    rate_limit = models.PositiveIntegerField(
        _("steps per period"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("How many steps may begin in one period, over all machines. Empty: as the code says."),
    )
    rate_period = models.DurationField(
        _("period"), null=True, blank=True, help_text=_("As HH:MM:SS. Given together with the steps per period.")
    )

    class Meta:
        verbose_name = _("pool")
        verbose_name_plural = _("pools")
        default_permissions = ("change", "view")
        constraints = [
            models.CheckConstraint(
                condition=Q(rate_limit__isnull=True, rate_period__isnull=True)
                | Q(rate_limit__isnull=False, rate_period__isnull=False),
                name="dwf_pool_rate",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields(exclude)
        if (self.rate_limit is None) != (self.rate_period is None):
            raise ValidationError({"rate_period": _("A rate needs both: steps per period, and the period.")})
        if self.rate_period is not None and self.rate_period.total_seconds() < 0.001:
            raise ValidationError({"rate_period": _("A period takes a millisecond at least.")})


class PoolStart(models.Model):
    """One start of a step of a pool whose rate is limited; kept as long as the period."""

    id = models.BigAutoField(_("id"), primary_key=True)
    pool = models.CharField(_("pool"), max_length=200)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("start in a pool")
        verbose_name_plural = _("starts in pools")
        default_permissions = ()
        indexes = [models.Index(fields=["pool", "at"], name="dwf_poolstart_pool")]

    def __str__(self) -> str:
        return f"{self.pool} {self.at}"
