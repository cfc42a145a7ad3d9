"""The admin of workflows: a list, a page for each, and what can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..core.timeline import human
from ..models import Workflow
from ..store.database import alias
from ..words.sentences import run_began
from ..words.texts import printable, short_name
from . import acting, dashboard, page, patches, start
from .alerts import alerts_of, health_for
from .bulk import bulk_actions
from .listing import cells
from .listing.changelist import Listing
from .listing.counts import shown_counts
from .listing.filters import FILTERS
from .listing.paging import BoundedPaginator
from .listing.searching import search
from .permissions import CANCEL, CLEANUP, RESTART, SEND, START, may, may_view
from .site import CRUMBS_ARE_A_LIST, MEDIA, link
from .strip import strip

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Workflow]
else:
    Base = admin.ModelAdmin


class WorkflowAdmin(Base):
    """Rows are never edited here: what changes a workflow goes through the engine, each with its own permission."""

    change_list_template = "django_workflows/admin/list.html"
    list_display = ("state_badge", "workflow", "progress", "waiting_for", "started")
    list_display_links = ("state_badge", "workflow")
    list_filter = FILTERS
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id",)
    search_help_text = _("Part of a workflow's name, the beginning of a key, or an id")
    actions = tuple(bulk_actions())

    @property
    def media(self) -> Any:
        return super().media + MEDIA

    # -- what may be done

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_view(request)

    def has_cancel_workflow_permission(self, request: HttpRequest) -> bool:
        return may(request, CANCEL)

    def has_restart_workflow_permission(self, request: HttpRequest) -> bool:
        return may(request, RESTART)

    def has_send_event_permission(self, request: HttpRequest) -> bool:
        return may(request, SEND)

    def has_cleanup_workflow_permission(self, request: HttpRequest) -> bool:
        return may(request, CLEANUP)

    # -- the list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workflow]:
        return Workflow.objects.using(alias()).order_by("-id").defer("args", "result", "error", "context", "trace")

    @property
    def is_narrowed(self) -> bool:
        """Whether a subclass has a ``get_queryset`` of its own, by which all that is shown then goes."""
        return type(self).get_queryset is not WorkflowAdmin.get_queryset

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Workflow], search_term: str
    ) -> tuple[QuerySet[Workflow], bool]:
        return search(queryset, search_term), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Listing

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        return BoundedPaginator(queryset, per_page, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {
            "title": _("Workflows"),
            "counts": shown_counts(request, self),
            "strip": None if self.is_narrowed else strip(),
            "alerts": alerts_of(health_for(self, request)),
            "may_start": may(request, START),
            "start_url": link("choose"),
            "dashboard_url": link("dashboard"),
            "list_url": link("changelist"),
            "search_var": SEARCH_VAR,
            "crumbs_are_a_list": CRUMBS_ARE_A_LIST,
        }
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    @admin.display(description=_("state"))
    def state_badge(self, obj: Workflow) -> SafeString:
        return cells.badge(obj).html

    @admin.display(description=_("workflow, id or key"))
    def workflow(self, obj: Workflow) -> SafeString:
        name = printable(obj.name)
        return format_html(
            '<span class="dwf-name" title="{}">{}</span> {}', name, short_name(name), cells.identity(obj)
        )

    @admin.display(description=_("progress"), empty_value="")
    def progress(self, obj: Any) -> SafeString:
        return format_html("{} {}", cells.progress(obj, obj.listed), cells.failures(obj.listed))

    @admin.display(description=_("waiting for, or why it failed"), empty_value="")
    def waiting_for(self, obj: Any) -> SafeString | str:
        return cells.why(obj.listed)

    @admin.display(description=_("started, duration"))
    def started(self, obj: Any) -> SafeString:
        took = human((obj.finished_at or obj.listed.now) - run_began(obj))
        return format_html('{} <span class="dwf-took">{}</span>', cells.began(obj.created_at, obj.listed.now), took)

    # -- pages

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        name = "django_workflows_workflow_{}".format
        return [
            path("dashboard/", wrap(self.dashboard_view), name=name("dashboard")),
            path("patches/", wrap(self.patches_view), name=name("patches")),
            path("start/", wrap(self.choose_view), name=name("choose")),
            path("start/<path:definition>/", wrap(self.start_view), name=name("start")),
            path("<uuid:workflow_id>/live/", wrap(self.live_view), name=name("live")),
            path("<uuid:workflow_id>/timeline.svg", wrap(self.timeline_view), name=name("timeline")),
            path("<uuid:workflow_id>/download/<slug:what>/", wrap(self.download_view), name=name("download")),
            path("<uuid:workflow_id>/act/<slug:action>/", wrap(self.act_view), name=name("act")),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            workflow_id = UUID(object_id)
        except ValueError:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        return page.page(self, request, workflow_id)

    def live_view(self, request: HttpRequest, workflow_id: UUID) -> HttpResponse:
        return page.live(self, request, workflow_id)

    def timeline_view(self, request: HttpRequest, workflow_id: UUID) -> HttpResponse:
        return page.timeline_svg(self, request, workflow_id)

    def download_view(self, request: HttpRequest, workflow_id: UUID, what: str) -> HttpResponse:
        return page.download(self, request, workflow_id, what)

    def act_view(self, request: HttpRequest, workflow_id: UUID, action: str) -> HttpResponse:
        return acting.act(self, request, workflow_id, action)

    def choose_view(self, request: HttpRequest) -> HttpResponse:
        return start.choose(self, request)

    def start_view(self, request: HttpRequest, definition: str) -> HttpResponse:
        return start.begin(self, request, definition)

    def dashboard_view(self, request: HttpRequest) -> HttpResponse:
        return dashboard.dashboard(self, request)

    def patches_view(self, request: HttpRequest) -> HttpResponse:
        return patches.patches(self, request)
