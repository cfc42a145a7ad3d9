"""Filters of the list of workflows. A parameter that nobody knows is an error, not ignored."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request

from ..core.blocked import BlockedReason
from ..core.journal import OPEN_STATES, StepState
from ..models import Step, Workflow
from ..store import steps as step_store
from ..store.blocked import BLOCKED, only_blocked
from ..words.sentences import REASONS
from .problems import BadInput, parameter_error

#: So many parameters that nobody knows are named, each with the nearest known one.
_NAMED = 50

#: Parameters that any of our views understands.
ALWAYS = frozenset({"format"})


class InstantField(IsoDateTimeField):
    """An instant that the database can be asked about; without an offset it is in the current time zone."""

    def to_python(self, value: Any) -> datetime | None:
        try:
            found = super().to_python(value)
            return None if found is None else found.astimezone(UTC)
        except (OverflowError, ValueError):
            raise ValidationError(_("Enter a valid date/time."), code="invalid") from None


class InstantFilter(django_filters.IsoDateTimeFilter):
    field_class = InstantField


class BooleanField(forms.Field):
    """`true` or `false`; Django's own takes anything else for neither."""

    def to_python(self, value: Any) -> bool | None:
        try:
            return {"true": True, "1": True, "false": False, "0": False}[value.lower()] if value else None
        except KeyError:
            raise ValidationError(_("true or false is needed."), code="invalid") from None


class BooleanFilter(django_filters.BooleanFilter):
    field_class = BooleanField


class WorkflowFilter(django_filters.FilterSet):
    """What ``GET workflows/`` can be narrowed down by; several of them must all hold."""

    state = django_filters.MultipleChoiceFilter(
        choices=[*Workflow.State.choices, ("blocked", _("blocked"))],
        method="filter_state",
        help_text=_("In this state, or `blocked`. May be given several times, for any of them."),
    )
    reason = django_filters.MultipleChoiceFilter(
        choices=[(reason.value, REASONS[reason]) for reason in BlockedReason],
        method="filter_reason",
        help_text=_("Blocked by this reason. May be given several times, for any of them."),
    )
    name = django_filters.CharFilter(max_length=200, help_text=_("Of the definition of this name."))
    parent = django_filters.UUIDFilter(field_name="parent_id", help_text=_("Children of this workflow."))
    top_level = BooleanFilter(
        field_name="parent_id", lookup_expr="isnull", help_text=_("Without children (true), or children only (false).")
    )
    created_before = InstantFilter(field_name="created_at", lookup_expr="lt")
    created_after = InstantFilter(field_name="created_at", lookup_expr="gte")
    started_before = InstantFilter(field_name="started_at", lookup_expr="lt")
    started_after = InstantFilter(field_name="started_at", lookup_expr="gte")
    finished_before = InstantFilter(field_name="finished_at", lookup_expr="lt")
    finished_after = InstantFilter(field_name="finished_at", lookup_expr="gte")
    waiting_on = django_filters.CharFilter(
        method="filter_waiting_on",
        max_length=500,
        help_text=_(
            "With an open step of this name (an event's, a timer's, a child's, a function's), or of this kind."
        ),
    )
    has_errors = BooleanFilter(
        method="filter_has_errors",
        help_text=_("Failed, blocked, with a failed `on_complete`, or with a failed attempt of a step."),
    )

    class Meta:
        model = Workflow
        fields: list[str] = []

    def filter_state(self, queryset: QuerySet[Workflow], name: str, value: list[str]) -> QuerySet[Workflow]:
        if not value:
            return queryset
        blocked = BLOCKED if "blocked" in value else Q(pk__in=[])
        return queryset.filter(Q(state__in=value) | blocked) if value != ["blocked"] else queryset.filter(BLOCKED)

    def filter_reason(self, queryset: QuerySet[Workflow], name: str, value: list[str]) -> QuerySet[Workflow]:
        return only_blocked(queryset, *map(BlockedReason, value)) if value else queryset

    def filter_waiting_on(self, queryset: QuerySet[Workflow], name: str, value: str) -> QuerySet[Workflow]:
        wanted = Q(name=value) | Q(kind=value)
        return queryset.filter(Exists(_steps().filter(wanted, state__in=OPEN_STATES)), state="in_progress")

    def filter_has_errors(self, queryset: QuerySet[Workflow], name: str, value: bool) -> QuerySet[Workflow]:
        failed_step = Exists(_steps().filter(Q(state=StepState.FAILED) | ~Q(failures="[]")))
        own = Q(error__isnull=False) | Q(on_complete_error__isnull=False) | BLOCKED
        return queryset.filter(own | failed_step) if value else queryset.exclude(own).exclude(failed_step)


def _steps() -> QuerySet[Step]:
    return step_store.everything().filter(workflow=OuterRef("pk"))


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter's backend; ``BadInput`` for unknown parameters and bad values, each with the name of its own."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        known = set(filterset.filters if filterset else ()) | set(view.paginator.parameters) | ALWAYS
        check_parameters(request, known)
        if filterset is None:
            return queryset
        if not filterset.is_valid():
            raise BadInput(
                parameter_error(name, str(each.message % (each.params or {})), each.code or "invalid")
                for name, errors in filterset.errors.as_data().items()
                for each in errors
            )
        parent = filterset.form.cleaned_data.get("parent")
        if parent is not None and parent not in view.visible_of({parent}):
            return queryset.none()  # whose children these are is not told to everybody
        return filterset.qs  # type: ignore[no-any-return]


def check_parameters(request: Request, known: set[str] | frozenset[str]) -> None:
    """``BadInput`` if the query has a parameter that is not among the ``known``."""
    unknown = [name for name in request.query_params if name not in known][:_NAMED]
    if unknown:
        raise BadInput([_unknown(name, known) for name in unknown])


def _unknown(name: str, known: set[str] | frozenset[str]) -> dict[str, Any]:
    near = difflib.get_close_matches(name[:100], known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(sorted(known))}."
    return parameter_error(name, f"There is no parameter of this name. {hint}", "unknown_parameter")
