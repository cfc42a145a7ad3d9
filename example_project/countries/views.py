"""The pages of the comparison."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from django_workflows import WorkflowNotFound
from example_project.countries.forms import CompareForm
from example_project.countries.models import Comparison
from example_project.countries.workflows import compare_countries
from example_project.live.status import look


def index(request: HttpRequest) -> HttpResponse:
    """Start a comparison on POST; show the form and the latest ones."""
    form = CompareForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("countries:detail", compare_countries.start(form.names()))
    return render(request, "countries/index.html", {"form": form, "comparisons": Comparison.objects.all()[:20]})


def detail(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """One comparison: which children still run, and the result."""
    try:
        now = look(workflow_id)  # before the row is read, so that it is not older than the state
    except WorkflowNotFound as error:
        raise Http404(str(error)) from error
    comparison = Comparison.objects.filter(workflow_id=workflow_id).first()
    context = {"workflow_id": workflow_id, "comparison": comparison, "now": now}
    return render(request, "countries/detail.html", context)
