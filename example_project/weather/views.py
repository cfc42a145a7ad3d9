"""The weather pages: a form that starts a report, the latest reports, and one report with its steps."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from django_workflows.exceptions import WorkflowNotFound
from example_project.weather.cities import all_cities
from example_project.weather.forms import LookupForm
from example_project.weather.lookups import city_of, latest_rows, start_lookup
from example_project.weather.models import Lookup, Report
from example_project.weather.workflows import workflow

SHOWN = 20


def index(request: HttpRequest) -> HttpResponse:
    """Start a report on POST; show the form and the latest reports."""
    form = LookupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        workflow_id = start_lookup(form.cleaned_data["city"])
        return redirect("weather:detail", workflow_id)
    rows = latest_rows(SHOWN)
    running = any(row.state == "in_progress" for row in rows)
    return render(
        request, "weather/index.html", {"form": form, "rows": rows, "running": running, "cities": all_cities()}
    )


def detail(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """One report: how far it is, what came out, and every step with its attempts."""
    try:
        status = workflow.status(workflow_id)
    except WorkflowNotFound as error:
        raise Http404(str(error)) from error
    lookup = Lookup.objects.filter(workflow_id=workflow_id).first()
    report = Report.objects.filter(workflow_id=workflow_id).first()
    return render(
        request,
        "weather/detail.html",
        {
            "workflow_id": workflow_id,
            "city": city_of(lookup, report),
            "status": status,
            "lookup": lookup,
            "report": report,
            "steps": workflow.steps(workflow_id).order_by("number"),
        },
    )
