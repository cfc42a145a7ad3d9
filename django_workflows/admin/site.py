"""What all pages of this admin have: their place below Django's admin, crumbs, styles and scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import django
from django import forms
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..models import Workflow
from ..words.texts import printable, short_name

MEDIA = forms.Media(
    css={"all": ["django_workflows/admin.css"]},
    js=[forms.Script("django_workflows/admin.js", defer=True)],  # type: ignore[list-item]
)

#: How Django writes its crumbs; its pages have their tools above the content since then, too.
CRUMBS_ARE_A_LIST = django.VERSION >= (6, 1)


@dataclass(frozen=True)
class Crumb:
    """A link in the line that says where one is; the last one has none."""

    label: Any
    url: str = ""


def labelled(label: Any, text: Any) -> SafeString:
    """A cell of a list with the heading of its column, which is shown where the list is one of cards, on a phone."""
    return format_html('<span class="dwf-column">{}</span> {}', label, text)


def link(name: str, *args: Any) -> str:
    """The URL of one of our pages."""
    return reverse(f"admin:django_workflows_workflow_{name}", args=args)


def page_link(workflow_id: UUID | str) -> str:
    """The URL of a workflow's page."""
    return link("change", workflow_id)


def short_words(workflow: Workflow) -> str:
    """A workflow in a few letters: what tells it apart from others of its kind."""
    return f"{short_name(printable(workflow.name))} …{str(workflow.id)[-12:]}"


def context(admin: ModelAdmin[Any], request: HttpRequest, title: Any, *crumbs: Crumb) -> dict[str, Any]:
    """What the templates of our own pages need; ``crumbs`` come after those of the app."""
    app = Crumb(_("Workflows"), reverse(f"{admin.admin_site.name}:app_list", args=["django_workflows"]))
    home = Crumb(_("Home"), reverse(f"{admin.admin_site.name}:index"))
    return {
        **admin.admin_site.each_context(request),
        "title": title,
        "opts": admin.opts,
        "media": MEDIA,
        "crumbs": [home, app, *crumbs],
        "crumbs_are_a_list": CRUMBS_ARE_A_LIST,
    }
