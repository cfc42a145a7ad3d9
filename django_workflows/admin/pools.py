"""The admin of pools: how many steps run at once, changed while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..core.pools import PoolLimits
from ..core.registry import registry
from ..core.timeline import human
from ..engine.pools import know_pools
from ..models import Pool
from ..store.database import alias
from ..store.listings import with_usage
from .site import MEDIA, labelled

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Pool]
else:
    Base = admin.ModelAdmin


class PoolAdmin(Base):
    """The limit is that of the code until one is set here; it holds from the moment it is saved, on all machines."""

    change_form_template = "django_workflows/admin/pool.html"
    change_list_template = "django_workflows/admin/pools.html"
    list_display = ("name", "limit", "running", "waiting")
    ordering = ("name",)
    sortable_by = ()
    show_full_result_count = False
    actions = None
    readonly_fields = ("name", "limit_of_code", "running", "waiting")

    @property
    def media(self) -> Any:
        return super().media + MEDIA

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pool]:
        return with_usage(Pool.objects.using(alias()))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        editable = [field.name for field in Pool._meta.fields if field.editable and not field.primary_key]
        return ["name", "limit_of_code", *editable, "running", "waiting"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        know_pools()
        return super().changelist_view(request, {"title": _("Pools"), **(extra_context or {})})

    @admin.display(description=gettext_lazy("limits"))
    def limit(self, obj: Pool) -> SafeString:
        code = registry.pools.get(obj.name, PoolLimits())
        found = code.overridden(obj.max_parallelism, obj.rate_limit, obj.rate_period)
        words = limit_words(found)
        if found != code:
            words = _("%(limit)s (the code says: %(code)s)") % {"limit": words, "code": limit_words(code)}
        return labelled(_("limits"), words)

    @admin.display(description=gettext_lazy("the code says"))
    def limit_of_code(self, obj: Pool) -> str:
        code = registry.pools.get(obj.name)
        return _("nothing: no code that is running here uses this pool") if code is None else limit_words(code)

    @admin.display(description=gettext_lazy("running now"))
    def running(self, obj: Any) -> SafeString:
        return labelled(_("running now"), obj.running_steps or 0)

    @admin.display(description=gettext_lazy("waiting for a place"))
    def waiting(self, obj: Any) -> SafeString:
        return labelled(_("waiting for a place"), obj.waiting_steps or 0)


def limit_words(limits: PoolLimits) -> str:
    """``10 at once, 100 in 1 min``."""
    parts = []
    if limits.max_parallelism is not None:
        parts.append(_("%(count)s at once") % {"count": f"{limits.max_parallelism:,}"})
    if limits.starts is not None and limits.per is not None:
        parts.append(_("%(count)s in %(time)s") % {"count": f"{limits.starts:,}", "time": human(limits.per)})
    return ", ".join(parts) or _("no limit")
