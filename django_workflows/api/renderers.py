"""The media types that answers come in: JSON, HTML for people, and what a timeline and a stream are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.settings import api_settings

PROBLEM_TYPE = "application/problem+json"


def renderers() -> list[type[BaseRenderer]]:
    """JSON; and the browsable API where the project has not taken it away."""
    usual: Any = api_settings.DEFAULT_RENDERER_CLASSES
    wanted = [each for each in usual if issubclass(each, BrowsableAPIRenderer)]
    return [PlainRenderer, *wanted]


class PlainRenderer(JSONRenderer):
    """JSON in ASCII: a journal may hold half a surrogate pair, which no other encoding can carry."""

    ensure_ascii = True
    charset: str | None = None


class _OtherRenderer(PlainRenderer):
    """Names a media type that a view writes by itself; what is rendered here are its problems, as JSON."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        return super().render(data, "application/json", renderer_context)


class SVGRenderer(_OtherRenderer):
    media_type = "image/svg+xml"
    format = "svg"
    charset = "utf-8"


class EventStreamRenderer(_OtherRenderer):
    media_type = "text/event-stream"
    format = "event-stream"
    charset = "utf-8"
