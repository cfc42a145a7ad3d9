"""Starts workflows: first which one, then a form made from the types of its arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import settings
from ..core.definitions import Definition
from ..core.registry import registry
from ..engine import audit
from ..engine.start import StartOptions, start
from ..exceptions import InvalidArguments, WorkflowError
from ..models import Workflow
from .actions.action import Because
from .payloads import safe_text, without_secrets
from .permissions import PAYLOAD, START, may
from .schema import SchemaForm
from .schema.leaves import InstantField
from .schema.nodes import NOTHING
from .site import Crumb, context, link, page_link


class StartForm(SchemaForm):
    """The arguments, and a few options. ``token`` makes pressing the button twice start one workflow."""

    token = forms.UUIDField(widget=forms.HiddenInput)
    idempotency_key = forms.CharField(
        label=gettext_lazy("Idempotency key"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("Starting again with the same key gives the first workflow."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    run_at = InstantField(label=gettext_lazy("Not before"), required=False)
    because = Because.base_fields["because"]

    def __init__(self, data: QueryDict | None, schema: Mapping[str, Any], **options: Any) -> None:
        super().__init__(data, schema, **options)
        self.initial["token"] = uuid4()

    @property
    def options(self) -> StartOptions:
        cleaned = self.cleaned_data
        key = cleaned["idempotency_key"] or f"admin:{cleaned['token']}"
        run_at = parse_datetime(cleaned["run_at"]) if cleaned["run_at"] else None
        return StartOptions().derive(idempotency_key=key, run_at=run_at)


def choose(admin: ModelAdmin[Workflow], request: HttpRequest) -> HttpResponse:
    """All that can be started, with what it says of itself."""
    _check(admin, request)
    crumbs = [Crumb(_("Workflows"), link("changelist")), Crumb(_("Start"))]
    found = [(definition, first_line(definition), link("start", definition.name)) for definition in registry]
    extra = {**context(admin, request, _("Start a workflow"), *crumbs), "definitions": found}
    return TemplateResponse(request, "django_workflows/admin/choose.html", extra)


def first_line(definition: Definition[Any, Any]) -> str:
    """What the handler's docstring says first."""
    return (definition.handler.__doc__ or "").strip().split("\n\n")[0]


def begin(admin: ModelAdmin[Workflow], request: HttpRequest, name: str) -> HttpResponse:
    """The form of a definition (GET), or start one (POST) and go to its page."""
    _check(admin, request)
    definition = registry.get(name)
    if definition is None:
        raise Http404(name)
    form = _form(admin, request, definition)
    if request.method == "POST" and not form.asks_for_more and form.is_valid():
        started = _start(request, definition, form)
        if started is not None:
            return HttpResponseRedirect(page_link(started))
    return _ask(admin, request, definition, form)


def _check(admin: ModelAdmin[Workflow], request: HttpRequest) -> None:
    if not (admin.has_view_permission(request) and may(request, START)):
        raise PermissionDenied


def _form(admin: ModelAdmin[Workflow], request: HttpRequest, definition: Definition[Any, Any]) -> StartForm:
    data = request.POST if request.method == "POST" else None
    try:
        schema, whole = definition.signature.json_schema(), "json" in request.GET
    except WorkflowError:  # annotations that cannot be read; starting says what is wrong with them
        schema, whole = {"type": "object"}, True
    return StartForm(data, schema, whole=whole, initial_value=_like(admin, request, definition, whole))


def _like(admin: ModelAdmin[Workflow], request: HttpRequest, definition: Definition[Any, Any], whole: bool) -> Any:
    """The arguments of the workflow that another one like is to be started, as far as the user may see them."""
    wanted = request.GET.get("like", "")
    if not wanted or not may(request, PAYLOAD):
        return {} if whole else NOTHING
    try:
        found = admin.get_queryset(request).defer(None).filter(id=UUID(wanted), name=definition.name).first()
        return NOTHING if found is None else without_secrets(json.loads(found.args))
    except ValueError:
        return NOTHING


def _start(request: HttpRequest, definition: Definition[Any, Any], form: StartForm) -> UUID | None:
    """Start it; ``None`` if the arguments do not fit, which the form shows then."""
    what, message, because = _("Arguments"), _("Started."), form.cleaned_data["because"]

    def say(workflow_id: UUID) -> audit.Note:
        said = f"{message} {because}" if because else message
        return audit.Note([(workflow_id, f"{definition.name} {workflow_id}")], said, audit.ADDITION)

    try:
        given = form.value if isinstance(form.value, Mapping) else {}
        text = definition.signature.encode_mapping(given, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES)
        workflow_id = audit.noted(request.user, lambda: start(definition, text, form.options), say)
    except InvalidArguments as error:
        form.place_errors(error.errors, safe_text(str(error), 500))
        return None
    except WorkflowError as error:
        form.add_error(None, safe_text(str(error), 500))
        return None
    messages.success(request, message)
    return workflow_id


def _ask(
    admin: ModelAdmin[Workflow], request: HttpRequest, definition: Definition[Any, Any], form: StartForm
) -> HttpResponse:
    crumbs = [
        Crumb(_("Workflows"), link("changelist")),
        Crumb(_("Start"), link("choose")),
        Crumb(definition.name),
    ]
    extra = {
        "form": form,
        "definition": definition,
        "about": first_line(definition),
        "back": link("choose"),
        "as_json": "json" in request.GET,
    }
    title = _("Start %(name)s") % {"name": definition.name}
    return TemplateResponse(
        request, "django_workflows/admin/start.html", {**context(admin, request, title, *crumbs), **extra}
    )
