"""The onboarding pages: signing up, one member, the link of the verification mail, and the editor's page."""

from uuid import UUID

from django.core.signing import BadSignature
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from django_workflows import WorkflowNotFound, WorkflowNotRunning
from example_project.live.status import look
from example_project.onboarding.forms import RefineForm, SignUpForm
from example_project.onboarding.models import Member, Refinement
from example_project.onboarding.steps import signer
from example_project.onboarding.workflows import Refined, Verification, refined, user_onboarding, verification, workflow


def sign_up(member: Member) -> Member:
    """Save a new member and start the onboarding: both, or neither."""
    with transaction.atomic():
        member.save()
        member.workflow_id = user_onboarding.start(member.id)
        member.save(update_fields=["workflow_id"])
    return member


def index(request: HttpRequest) -> HttpResponse:
    """Sign up on POST; show the form, the latest members, and what waits for an editor."""
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect("onboarding:detail", sign_up(form.save(commit=False)).workflow_id)
    waiting = Refinement.objects.filter(text="").select_related("member")
    members = Member.objects.exclude(workflow_id=None)[:20]
    return render(request, "onboarding/index.html", {"form": form, "members": members, "waiting": waiting})


def detail(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """One member, and how far the onboarding is."""
    try:
        now = look(workflow_id)  # before the rows are read, so that they are not older than the state
    except WorkflowNotFound as error:
        raise Http404(str(error)) from error
    member = get_object_or_404(Member, workflow_id=workflow_id)
    waiting = Refinement.objects.filter(member=member, text="")
    context = {"workflow_id": workflow_id, "member": member, "now": now, "waiting": waiting}
    return render(request, "onboarding/detail.html", context)


def verify(request: HttpRequest, token: str) -> HttpResponse:
    """What the link in the mail leads to. Only the buttons send the event: mail scanners follow links, too."""
    try:
        workflow_id = UUID(signer.unsign(token))
    except (BadSignature, ValueError) as error:
        raise Http404("This link is not one of ours.") from error
    member = get_object_or_404(Member, workflow_id=workflow_id)
    if request.method == "POST":
        return _answer(request, workflow_id, member)
    return render(request, "onboarding/verify.html", {"member": member})


def _answer(request: HttpRequest, workflow_id: UUID, member: Member) -> HttpResponse:
    answer = Verification(verified=request.POST.get("answer") == "yes")
    try:
        workflow.send_event(workflow_id, verification, answer)
    except WorkflowNotRunning:
        return render(request, "onboarding/verify.html", {"member": member, "too_late": True}, status=409)
    return redirect("onboarding:detail", workflow_id)


def refine(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """The editor's page: what is posted goes to the child workflow, which waits for it."""
    task = get_object_or_404(Refinement.objects.select_related("member"), workflow_id=workflow_id)
    form = RefineForm(request.POST or None, initial={"text": task.draft})
    if request.method == "POST" and form.is_valid():
        try:
            workflow.send_event(workflow_id, refined, Refined(text=form.cleaned_data["text"]))
        except WorkflowNotRunning:
            form.add_error(None, "Too late: the greeting has been sent.")
            return render(request, "onboarding/refine.html", {"task": task, "form": form}, status=409)
        return redirect("onboarding:detail", task.member.workflow_id)
    return render(request, "onboarding/refine.html", {"task": task, "form": form})
