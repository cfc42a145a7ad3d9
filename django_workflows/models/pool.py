"""The pool table: limits on how many steps run at once, over all machines."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Pool(models.Model):
    """The limit of a manager, or of a workflow that has one of its own.

    ``max_parallelism`` overrides what the code says, from the moment it is saved; ``NULL`` leaves it to the code. The
    row is locked while a place is given away, so it is also what makes the count exact.
    """

    name = models.CharField(_("name"), max_length=200, primary_key=True)
    max_parallelism = models.PositiveIntegerField(
        _("steps at once"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    next_at = models.DateTimeField(_("next start at"), null=True, editable=False)

    class Meta:
        verbose_name = _("pool")
        verbose_name_plural = _("pools")
        default_permissions = ("change", "view")

    def __str__(self) -> str:
        return self.name
