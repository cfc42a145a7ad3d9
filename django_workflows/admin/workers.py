"""The admin of workers: which processes are alive, and what they are doing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import DateTimeField, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import settings
from ..models import Worker
from ..store.database import alias, now
from ..words.sentences import distance
from ..words.texts import printable, shortened
from .alerts import alerts, sees_everything
from .site import MEDIA, labelled

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Worker]
else:
    Base = admin.ModelAdmin


class WorkerAdmin(Base):
    """Read-only. A process that was killed stays in the list for ten leases, as silent."""

    change_list_template = "django_workflows/admin/workers.html"
    list_display = ("alive", "host", "pid", "queue_name", "doing_now", "last_worked", "taken", "since", "heard_of")
    list_display_links = None
    ordering = ("-seen_at", "id")
    sortable_by = ()
    list_per_page = 100
    show_full_result_count = False
    actions = None

    @property
    def media(self) -> Any:
        return super().media + MEDIA

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        read_at = Value(now(), output_field=DateTimeField())
        return Worker.objects.using(alias()).annotate(read_at=read_at)

    def get_list_display(self, request: HttpRequest) -> Any:
        """What each is doing names a workflow, so it is for whoever may see all of those."""
        if sees_everything(self.admin_site, request):
            return self.list_display
        return [column for column in self.list_display if column != "doing_now"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"title": _("Workers"), "alerts": alerts(self.admin_site, request), "lease": settings.LEASE}
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    @admin.display(description=gettext_lazy("state"))
    def alive(self, obj: Any) -> SafeString:
        silent = obj.read_at - obj.seen_at >= timedelta(seconds=settings.LEASE)
        kind, words = (
            ("failed", _("silent")) if silent else ("running", _("busy")) if obj.doing else ("completed", _("idle"))
        )
        return format_html('<span class="dwf-badge dwf-is-{}">{}</span>', kind, words)

    @admin.display(description=gettext_lazy("queue"))
    def queue_name(self, obj: Worker) -> SafeString:
        return labelled(_("queue"), printable(obj.queue) or _("default"))

    @admin.display(description=gettext_lazy("doing"), empty_value="")
    def doing_now(self, obj: Worker) -> str:
        return shortened(obj.doing, 120)

    @admin.display(description=gettext_lazy("last took work"), empty_value="")
    def last_worked(self, obj: Any) -> SafeString | str:
        return "" if obj.worked_at is None else labelled(_("last took work"), distance(obj.worked_at, obj.read_at))

    @admin.display(description=Worker._meta.get_field("done").verbose_name)
    def taken(self, obj: Worker) -> SafeString:
        return labelled(Worker._meta.get_field("done").verbose_name, f"{obj.done:,}")

    @admin.display(description=gettext_lazy("began"))
    def since(self, obj: Any) -> SafeString:
        return labelled(_("began"), distance(obj.started_at, obj.read_at))

    @admin.display(description=gettext_lazy("heard of"))
    def heard_of(self, obj: Any) -> SafeString:
        return labelled(_("heard of"), distance(obj.seen_at, obj.read_at))
