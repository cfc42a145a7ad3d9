"""The router of this package's own addresses."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter


class WorkflowRouter(SimpleRouter):
    """As ``SimpleRouter``, but an address that ends like a file's has no slash after it: ``timeline.svg``."""

    def _get_dynamic_route(self, route, action):  # type: ignore[no-untyped-def]
        made = super()._get_dynamic_route(route, action)
        if "." in made.url:
            return made._replace(url=made.url.replace("{trailing_slash}", ""))
        return made
