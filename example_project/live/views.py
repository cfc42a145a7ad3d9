"""The JSON view that pages ask for a workflow's state."""

from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from django_workflows import WorkflowNotFound
from example_project.live.status import look


@require_GET
@never_cache
def status(request: HttpRequest, workflow_id: UUID) -> JsonResponse:
    """The state now; 404 where there is no such workflow."""
    try:
        return JsonResponse(look(workflow_id))
    except WorkflowNotFound as error:
        return JsonResponse({"error": str(error)}, status=404)
