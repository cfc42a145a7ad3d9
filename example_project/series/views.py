"""The pages of the mail series: subscribe, see what has been sent, unsubscribe."""

from contextlib import suppress
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from django_workflows import WorkflowNotFound, WorkflowNotRunning
from example_project.live.status import look
from example_project.series.forms import SubscribeForm
from example_project.series.models import SentMail, Subscription
from example_project.series.workflows import subscribe, unsubscribe


def index(request: HttpRequest) -> HttpResponse:
    """Subscribe on POST; show the form and the subscriptions."""
    form = SubscribeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("series:detail", subscribe(**form.cleaned_data))
    return render(request, "series/index.html", {"form": form, "subscriptions": Subscription.objects.all()[:20]})


def detail(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """One subscription: what has been sent, and what comes next."""
    try:
        now = look(workflow_id)  # before the rows are read, so that they are not older than the state
    except WorkflowNotFound as error:
        raise Http404(str(error)) from error
    subscription = get_object_or_404(Subscription, workflow_id=workflow_id)
    sent = SentMail.objects.filter(email=subscription.email)
    context = {"workflow_id": workflow_id, "subscription": subscription, "sent": sent, "now": now}
    return render(request, "series/detail.html", context)


@require_POST
def stop(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """Unsubscribe; twice is as good as once."""
    subscription = get_object_or_404(Subscription, workflow_id=workflow_id)
    with suppress(WorkflowNotRunning):
        unsubscribe(subscription.email)
    return redirect("series:detail", workflow_id)
