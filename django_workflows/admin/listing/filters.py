"""The filters beside the list, each of which an index serves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ...core.blocked import BlockedReason
from ...models import Step, Workflow, first_uuid7
from ...store.blocked import only_blocked
from ...store.database import now
from ...words.sentences import REASONS, STATES
from ...words.texts import printable, short_name, shortened
from .counts import names, shown_counts

Rows = QuerySet[Workflow]


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        counts = shown_counts(request, model_admin)
        return [(state, f"{STATES[state]} ({count})") for state, count in counts.items()]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        return queryset.filter(state=self.value()) if self.value() in STATES else None


class AttentionFilter(admin.SimpleListFilter):
    title = _("attention")
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [
            ("blocked", _("blocked")),
            ("retrying", _("retrying")),
            ("failed", _("failed in the last 24 hours")),
            ("callback", _("on_complete failed")),
        ]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        narrow = {"blocked": only_blocked, "retrying": _retrying, "failed": _failed, "callback": _callback}
        return narrow[self.value() or ""](queryset) if self.value() in narrow else None


def _retrying(rows: Rows) -> Rows:
    waiting = Step.objects.filter(workflow=OuterRef("pk"), state="queued", attempt__gt=0)
    return rows.filter(Exists(waiting), state="in_progress")


def _failed(rows: Rows) -> Rows:
    # By the time of the start, which the id tells, and then of the end.
    return rows.filter(state="failed", finished_at__gte=now() - timedelta(hours=24))


def _callback(rows: Rows) -> Rows:
    return rows.filter(on_complete_error__isnull=False)


class BlockedFilter(admin.SimpleListFilter):
    title = _("blocked by")
    parameter_name = "blocked"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("any", _("any reason")), *((str(reason), REASONS[reason]) for reason in BlockedReason)]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        if self.value() == "any":
            return only_blocked(queryset)
        reason = self.value() or ""
        return only_blocked(queryset, BlockedReason(reason)) if reason in REASONS else None


class NameFilter(admin.SimpleListFilter):
    title = _("workflow")
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [(name, shortened(short_name(printable(name)), 60)) for name in names(request, model_admin)]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        name = self.value() or ""
        if "\x00" in name:
            return queryset.none()  # no database has it
        return queryset.filter(name=name) if name else None


class StartedFilter(admin.SimpleListFilter):
    title = _("started")
    parameter_name = "started"
    _ages = {
        "hour": (_("in the last hour"), timedelta(hours=1)),
        "day": (_("in the last 24 hours"), timedelta(hours=24)),
        "week": (_("in the last 7 days"), timedelta(days=7)),
        "month": (_("in the last 30 days"), timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [(key, words) for key, (words, _age) in self._ages.items()]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        found = self._ages.get(self.value() or "")
        return None if found is None else queryset.filter(id__gte=first_uuid7(now() - found[1]))


class ParentFilter(admin.SimpleListFilter):
    """Top-level ones, unless all were asked for."""

    title = _("started by")
    parameter_name = "started_by"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [("workflow", _("another workflow")), ("any", _("anybody"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": _("somebody")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows | None:
        if self.value() == "any":
            return None
        return queryset.filter(parent__isnull=self.value() != "workflow")


FILTERS = (StateFilter, AttentionFilter, BlockedFilter, NameFilter, StartedFilter, ParentFilter)
