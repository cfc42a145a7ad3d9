"""The example project's settings on top of the test settings, and its weather service on a real port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.core.wsgi import get_wsgi_application

from example_project.weather import outages, service

if TYPE_CHECKING:
    from pytest_django import Settings


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def example_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's addresses, and a service that has not been asked anything yet and never fails unless told to."""
    settings.ROOT_URLCONF = "example_project.urls"
    settings.WEATHER_SERVICE_FAIL_EVERY = 0
    settings.WEATHER_SERVICE_URL = "http://127.0.0.1:9/service/"  # the discard port: nobody answers
    settings.SITE_URL = "http://testserver/"
    settings.JOBS_PAUSE = 0
    monkeypatch.setattr(service, "outages", outages.Outages())


@pytest.fixture
def weather_service(settings: Settings) -> Iterator[str]:
    """The address of a running weather service, which the steps use too."""
    server = make_server("127.0.0.1", 0, get_wsgi_application(), ThreadingServer, QuietHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    settings.WEATHER_SERVICE_URL = f"http://127.0.0.1:{server.server_port}/service/"
    yield settings.WEATHER_SERVICE_URL
    server.shutdown()
    thread.join()
    server.server_close()
