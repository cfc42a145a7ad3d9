"""The page of patches: which branch of each the workflows in progress take, and which old branches can be deleted."""

from __future__ import annotations

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from ..engine.patches import patch_report
from ..models import Workflow
from ..words.texts import printable
from .permissions import visible_of
from .site import Crumb, context, link

#: So many journals are replayed for one page, and no other one is begun after so many seconds.
LIMIT, SECONDS = 200, 0.15


def patches(admin: ModelAdmin[Workflow], request: HttpRequest) -> HttpResponse:
    if not admin.has_view_permission(request):
        raise PermissionDenied
    crumbs = [
        Crumb(_("Workflows"), link("changelist")),
        Crumb(_("Dashboard"), link("dashboard")),
        Crumb(_("Patches of the code")),
    ]
    report = patch_report(limit=LIMIT, seconds=SECONDS, visible=visible_of(admin, request))
    extra = {
        "report": report,
        "uses": [(use, printable(use.patch), printable(use.name)) for use in report.uses],
        "examined": report.examined,
    }
    page = context(admin, request, _("Patches of the code"), *crumbs)
    return TemplateResponse(request, "django_workflows/admin/patches.html", {**page, **extra})
