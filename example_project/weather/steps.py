"""What the weather workflow does to the world: two calls of a web service, and one write to the database."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import urlopen
from uuid import UUID

from django.conf import settings

from example_project.weather.models import Report

TIMEOUT = 10


class ServiceUnavailable(Exception):
    """The weather service did not answer properly. Trying again may help."""


class CityNotFound(LookupError):
    """The weather service does not know the city. Trying again does not help."""


@dataclass
class Place:
    name: str
    country: str
    latitude: float
    longitude: float


@dataclass
class WeatherReport:
    city: str
    country: str
    temperature: float


def get_geocoding(name: str) -> Place:
    """An action: where is that city?"""
    answer = call_service("geocode", name=name)
    return Place(answer["name"], answer["country"], answer["latitude"], answer["longitude"])


def get_weather(latitude: float, longitude: float) -> float:
    """An action: how warm is it there, in degrees Celsius?"""
    return float(call_service("forecast", latitude=latitude, longitude=longitude)["temperature"])


def save_report(workflow_id: UUID, report: WeatherReport) -> None:
    """A mutation: its write and its journal entry are one transaction, so there is never a second report."""
    Report.objects.create(
        workflow_id=workflow_id, city=report.city, country=report.country, temperature=report.temperature
    )


def call_service(endpoint: str, **query: str | float) -> dict[str, Any]:
    """The JSON answer of the weather service. Raises ``CityNotFound`` or ``ServiceUnavailable``."""
    url = f"{urljoin(settings.WEATHER_SERVICE_URL, endpoint)}?{urlencode(query)}"
    try:
        with urlopen(url, timeout=TIMEOUT) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except HTTPError as error:
        message = json.load(error).get("error", "") if error.headers.get_content_type() == "application/json" else ""
        if error.code == 404:
            raise CityNotFound(message or url) from error
        raise ServiceUnavailable(f"{endpoint} answered {error.code}: {message or error.reason}") from error
    except OSError as error:
        raise ServiceUnavailable(f"{endpoint} did not answer: {error}") from error
