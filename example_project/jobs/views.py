"""The pages of the long jobs: start them, watch their progress, cancel or delete them."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from django_workflows import WorkflowNotFound, WorkflowNotRunning
from example_project.jobs.forms import YearForm
from example_project.jobs.models import ClimateYear, Import
from example_project.jobs.workflows import climate_year, forget_import, import_cities, workflow
from example_project.live.status import look
from example_project.weather.cities import CITIES_FILE

GONE: dict[str, Any] = {"state": "completed", "stage": "gone", "running": [], "finished": True}


def start_year(city: str) -> UUID:
    """Start working out a year: the workflow and its row are committed together."""
    with transaction.atomic():
        year = ClimateYear.objects.create(city=city)
        year.workflow_id = climate_year.start(year.id)
        year.save(update_fields=["workflow_id"])
    return year.workflow_id


def start_import(text: str) -> UUID:
    """Start reading a table; its workflow is deleted when it went well."""
    with transaction.atomic():
        source = Import.objects.create(text=text)
        source.workflow_id = import_cities.with_options(on_complete=forget_import).start(source.id)
        source.save(update_fields=["workflow_id"])
    return source.workflow_id


def index(request: HttpRequest) -> HttpResponse:
    """Start a year on POST; show the forms and the latest jobs."""
    form = YearForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("jobs:year", start_year(form.cleaned_data["city"]))
    context = {"form": form, "years": ClimateYear.objects.all()[:20], "imports": Import.objects.all()[:20]}
    return render(request, "jobs/index.html", context)


@require_POST
def new_import(request: HttpRequest) -> HttpResponse:
    """Start reading the table of cities."""
    return redirect("jobs:import", start_import(CITIES_FILE.read_text(encoding="utf-8")))


def year(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """One year: its progress, and its days when it is ready."""
    now = _look(workflow_id)  # before the row is read, so that it is not older than the state
    found = get_object_or_404(ClimateYear, workflow_id=workflow_id)
    return render(request, "jobs/year.html", {"workflow_id": workflow_id, "year": found, "now": now})


@require_POST
def cancel(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """Cancel a year; too late is no error."""
    get_object_or_404(ClimateYear, workflow_id=workflow_id)
    with suppress(WorkflowNotRunning):
        workflow.cancel(workflow_id)
    return redirect("jobs:year", workflow_id)


@require_POST
def delete(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """Delete a year that has ended, with its workflow."""
    found = get_object_or_404(ClimateYear, workflow_id=workflow_id)
    with transaction.atomic():
        if not workflow.cleanup(workflow_id):
            return redirect("jobs:year", workflow_id)
        found.delete()
    return redirect("jobs:index")


def import_page(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """One import and its progress, which its own rows tell."""
    now = _look(workflow_id)
    source = get_object_or_404(Import, workflow_id=workflow_id)
    return render(request, "jobs/import.html", {"workflow_id": workflow_id, "source": source, "now": now})


@never_cache
def import_status(request: HttpRequest, workflow_id: UUID) -> JsonResponse:
    """What ``live.js`` asks for: the state, and the progress that the import's own row tells."""
    now = _look(workflow_id)
    source = get_object_or_404(Import, workflow_id=workflow_id)
    return JsonResponse({**now, "done": source.done, "total": source.total})


def _look(workflow_id: UUID) -> dict[str, Any]:
    try:
        return look(workflow_id)
    except WorkflowNotFound:
        return GONE
