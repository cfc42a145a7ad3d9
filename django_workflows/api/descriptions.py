"""What each address takes and answers, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.serializers import ListSerializer

from . import inputs, measures, shapes
from .openapi import WorkflowsSchema
from .renderers import PROBLEM_TYPE

_JSON = "application/json"


def _described(**options: Any) -> Callable[[Any], Any]:
    """``extend_schema`` on top of our inspector, and not of the project's default one."""
    describe = extend_schema(**options)

    def decorate(view: Any) -> Any:
        view.schema = WorkflowsSchema
        return describe(view)

    return decorate


_TITLES = {
    400: "Something in the request is wrong; `errors` says what.",
    401: "Nobody is logged in.",
    403: "The user lacks the permission.",
    404: "There is no such workflow, or not for this user.",
    406: "None of the media types that are accepted.",
    409: "How things stand does not allow it.",
    412: "`If-Match` names another version.",
    413: "Larger than is allowed.",
    415: "Not JSON.",
    422: "It fits the schema of the request, but not the workflow.",
    429: "Too often.",
    501: "The server is not ASGI.",
    503: "Not at the moment.",
}
_READ, _WRITE = (400, 401, 403, 406, 429, 503), (400, 401, 403, 406, 413, 415, 429, 503)
_NOT_MODIFIED = OpenApiResponse(description="As the client has it.")
_IF_NONE_MATCH = OpenApiParameter("If-None-Match", str, "header", description="An `ETag` that the client has.")
_IF_MATCH = OpenApiParameter("If-Match", str, "header", description="The `ETag` of the version that is meant.")
_ETAG = OpenApiParameter("ETag", str, "header", response=[200, 201, 202, 304], description="Of this version.")
_LOCATION = OpenApiParameter(
    "Location", {"type": "string", "format": "uri"}, "header", response=[200, 201], description="Of the workflow."
)
_WAIT = OpenApiParameter(
    "wait",
    {"type": "number", "minimum": 0, "maximum": 10**9 - 1},
    description="Long poll: seconds to wait for a change (with `If-None-Match`) or for the end.",
)
_KEY = OpenApiParameter("Idempotency-Key", str, "header", description="The same key again does nothing new.")


def _answers(*statuses: int) -> dict[Any, Any]:
    return {(status, PROBLEM_TYPE): _problem(status) for status in statuses}


def _problem(status: int) -> OpenApiResponse:
    return OpenApiResponse(shapes.ProblemShape, description=_TITLES[status])


def _get(operation: str, answer: Any, *more: int, parameters: Any = (), media: str = _JSON, **options: Any) -> Any:
    key = 200 if media == _JSON else (200, media)
    # A list has to be there as it is, to be known as one.
    is_many = isinstance(answer, ListSerializer)
    told = answer if is_many else OpenApiResponse(answer, description="OK")
    responses: dict[Any, Any] = {key: told, **_answers(*_READ, *more)}
    if _IF_NONE_MATCH in parameters:
        responses[304] = _NOT_MODIFIED
    more_parameters = [] if media == _JSON else [OpenApiParameter("format", exclude=True)]
    return _described(
        operation_id=operation, responses=responses, parameters=[*parameters, *more_parameters], **options
    )


def _post(
    operation: str,
    request: Any,
    answer: Any,
    success: tuple[int, ...],
    *more: int,
    parameters: Any = (),
    **options: Any,
) -> Any:
    found = {status: OpenApiResponse(answer, description=_DONE[status]) for status in success}
    responses = {**found, **_answers(*_WRITE, *more)}
    return _described(
        operation_id=operation,
        request={_JSON: request},
        responses=responses,
        parameters=[_IF_MATCH, *parameters],
        **options,
    )


_DONE = {200: "Done.", 201: "Started.", 202: "Accepted; workers go on."}
_TAGGED = (_IF_NONE_MATCH, _ETAG)
_SVG = {"type": "string"}
_EVENT = {
    "type": "object",
    "description": "One event of the stream. `workflow` and `end` have a Workflow as data, `step` a WorkflowStep.",
    "properties": {
        "event": {"type": "string", "enum": ["workflow", "step", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string"},
        "retry": {"type": "integer"},
    },
}

WORKFLOWS: dict[str, Any] = {
    "list": _get("listWorkflows", shapes.RowShape(many=True)),
    "create": _described(
        operation_id="startWorkflow",
        request={_JSON: inputs.StartShape},
        responses={
            201: OpenApiResponse(shapes.WorkflowShape, description="Started."),
            200: OpenApiResponse(shapes.WorkflowShape, description="The key was used before: the first one."),
            **_answers(*_WRITE, 404, 409, 422),
        },
        parameters=[_KEY, _LOCATION, _ETAG],
    ),
    "retrieve": _get("getWorkflow", shapes.WorkflowShape, 404, parameters=(*_TAGGED, _WAIT)),
    "steps": _get("listSteps", shapes.StepShape(many=True), 404, parameters=_TAGGED, filters=False),
    "events": _get("listEvents", shapes.EventShape(many=True), 404, parameters=_TAGGED, filters=False),
    "timeline": _get("getTimeline", _SVG, 404, parameters=_TAGGED, media="image/svg+xml"),
    "stream": _get(
        "streamWorkflow",
        _EVENT,
        404,
        501,
        parameters=(OpenApiParameter("Last-Event-ID", str, "header", description="Where to go on."),),
        media="text/event-stream",
    ),
    "counts": _get("countWorkflows", measures.CountsShape, filters=False),
    "cancel": _post(
        "cancelWorkflow", inputs.CancelShape, shapes.WorkflowShape, (200, 202), 404, 409, 412, 422, parameters=(_ETAG,)
    ),
    "restart": _post(
        "restartWorkflow", inputs.RestartShape, shapes.WorkflowShape, (202,), 404, 409, 412, 422, parameters=(_ETAG,)
    ),
    "retry": _post(
        "retryWorkflow", inputs.RetryShape, shapes.WorkflowShape, (202,), 404, 409, 412, 422, parameters=(_ETAG,)
    ),
    "destroy": _described(
        operation_id="deleteWorkflow",
        responses={204: OpenApiResponse(description="Deleted."), **_answers(*_READ, 404, 409, 412)},
        parameters=[_IF_MATCH],
    ),
}
#: For an action that is mapped to a method of another, and so is not found by its name.
SEND = _post("sendEvent", inputs.SendShape, shapes.EventShape, (202,), 404, 409, 412, 422, parameters=(_KEY,))
DEFINITIONS: dict[str, Any] = {
    "list": _get("listDefinitions", shapes.DefinitionShape(many=True)),
    "retrieve": _get(
        "getDefinition",
        shapes.DefinitionShape,
        404,
        parameters=(OpenApiParameter("name", str, "path", description="Of a definition."),),
    ),
}
HEALTH = _described(
    operation_id="getHealth",
    responses={
        200: OpenApiResponse(measures.HealthShape, description="Work goes on."),
        503: OpenApiResponse(measures.HealthShape, description="Work does not go on."),
        **_answers(*(status for status in _READ if status != 503)),
    },
)
HOOK = _described(
    operation_id="sendEventByToken",
    request={_JSON: inputs.TokenEventShape},
    responses={
        202: OpenApiResponse(inputs.SentShape, description="Sent; the token is used up."),
        **_answers(400, 404, 406, 409, 413, 415, 422, 429, 503),
    },
    parameters=[OpenApiParameter("token", str, "path", description="As `create_event_token` gave it.")],
    auth=[],
)
