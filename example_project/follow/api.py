"""The REST API for people who are not logged in: they may look at approvals, and do nothing."""

from django.db.models import QuerySet
from rest_framework.permissions import BasePermission
from rest_framework.request import Request as ApiRequest
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from django_workflows.api import WorkflowViewSet
from django_workflows.models import Workflow
from example_project.approvals.models import Request


class Everybody(BasePermission):
    """In this example nobody has to log in."""

    def has_permission(self, request: ApiRequest, view: APIView) -> bool:
        return True


class ApprovalViewSet(WorkflowViewSet):
    """``WorkflowViewSet`` that only reads, and for which there are no workflows but approvals.

    Payloads stay hidden: whoever is not logged in does not have the permission ``view_payload``.
    """

    permission_classes = [Everybody]
    http_method_names = ["get", "head", "options"]

    def get_queryset(self) -> QuerySet[Workflow]:
        return super().get_queryset().filter(id__in=Request.objects.values("workflow_id"))


router = SimpleRouter()
router.register("workflows", ApprovalViewSet, basename="workflow")
