"""Sends ``Content-Security-Policy: default-src 'self'`` with every page, the admin's included."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def content_security_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Middleware. Django's own debug pages are left alone: their styles are inline."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        is_debug_page = settings.DEBUG and response.status_code in (404, 500)
        if not is_debug_page:
            response.headers.setdefault("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
        return response

    return middleware
